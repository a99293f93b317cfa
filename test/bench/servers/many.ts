import { join } from 'node:path';
import { defineSubscriber, startService } from 'websub-subscriber';
import type { BenchServer, BenchSetup } from '../bench-server.js';
import { seedElsewhere } from '../scale/seed-elsewhere.js';
import { SEEDED_SERVICE } from '../scale/seed-store.js';

/** A subscriber with many subscriptions, started as a user would. One subscription receives deliveries. */
export async function startMany({ hub, topic, secret }: BenchSetup, count: number): Promise<BenchServer> {
  const directory = join(process.cwd(), 'store');
  const renewsAt = Date.now() + 8 * 86_400_000;
  const port = await seedElsewhere({ directory, hub, topic, secret, count, renewsAt });
  const service = defineSubscriber(
    { name: SEEDED_SERVICE, secret, unsubscribeOnShutdown: false },
    { onEventNotification() {} },
  );
  const runtime = await startService(service, { port, store: `lmdb://${directory}` });
  const [subscription] = await runtime.subscriptions.find({ topic });
  if (subscription?.callback === undefined) throw new Error('The subscription has no callback');
  const { id, callback } = subscription;
  return {
    callback,
    accepted: async () => (await runtime.subscriptions.get(id))?.stats.delivered ?? 0,
    stop: () => runtime.stop(),
  };
}
