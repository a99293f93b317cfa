import { randomBytes, randomUUID } from 'node:crypto';
import { open } from 'lmdb';
import { defineSubscriber, startService } from 'websub-subscriber';

/** The seeded subscriptions. */
export interface Seed {
  readonly directory: string;
  /** URL of a hub that verifies. */
  readonly hub: string;
  readonly topic: string;
  readonly secret: string;
  readonly count: number;
  /** Epoch milliseconds at which their renewals are due. */
  readonly renewsAt: number;
}

export const SEEDED_SERVICE = 'Seeded';

/**
 * Fills a store with granted subscriptions. A hub grants the first; the others are written as copies of it.
 *
 * @returns the port of the callbacks
 */
export async function seedStore({ directory, hub, topic, secret, count, renewsAt }: Seed): Promise<number> {
  const service = defineSubscriber(
    { name: SEEDED_SERVICE, secret, leaseSeconds: 864_000, unsubscribeOnShutdown: false },
    { onEventNotification() {} },
  );
  const runtime = await startService(service, {
    port: 0,
    store: `lmdb://${directory}`,
    logger: false,
    handleSignals: false,
  });
  await runtime.subscribe(service, { target: { hub, topic } });
  await runtime.ready();
  // The response of the hub is stored last.
  const isSettled = async (): Promise<boolean> => {
    const [subscription] = await runtime.subscriptions.find();
    return subscription?.renewsAt !== undefined && subscription.renewsAt.getTime() > Date.now() + 3_600_000;
  };
  while (!(await isSettled())) await new Promise((resolve) => setTimeout(resolve, 10));
  const [grantedSubscription] = await runtime.subscriptions.find();
  if (grantedSubscription?.callback === undefined)
    throw new Error('The subscription to be written many times was not granted');
  const { id, callback, grants } = grantedSubscription;
  const { port = 0 } = runtime;
  await runtime.stopNow();

  const database = open(directory, { noSubdir: false });
  const key = [...database.getKeys()].map(String).find((each) => each.includes(':subscription:')) ?? '';
  const row: unknown = database.get(key);
  const text = JSON.stringify(row).replace(/"renewsAt":\d+/, `"renewsAt":${renewsAt}`);
  const token = callback.slice(callback.lastIndexOf('/') + 1);
  const grant = grants[0]?.id ?? '';
  await database.put(key, JSON.parse(text));
  // A start after an absence would fetch each topic, which is not measured here.
  for (const aliveKey of [...database.getKeys()].filter((each) => String(each).includes(':alive:'))) {
    await database.remove(aliveKey);
  }
  let lastWrite: Promise<unknown> = Promise.resolve();
  for (let index = 1; index < count; index += 1) {
    const copyId = randomUUID();
    const copy = text
      .replaceAll(id, copyId)
      .replaceAll(grant, randomUUID())
      .replaceAll(token, randomBytes(32).toString('base64url'))
      .replaceAll(topic, `${topic}?of=${index}`);
    lastWrite = database.put(key.replace(id, copyId), JSON.parse(copy));
  }
  await lastWrite;
  await database.close();
  return port;
}
