import { randomBytes, randomUUID } from 'node:crypto';
import { open } from 'lmdb';
import { defineSubscriber, startService } from 'websub-subscriber';

/** What the seeded subscriptions belong to, and are asked for. */
export interface Seed {
  readonly directory: string;
  /** A hub that verifies. */
  readonly hub: string;
  readonly topic: string;
  readonly secret: string;
  readonly count: number;
  /** When their renewals come due, in epoch milliseconds. */
  readonly renewsAt: number;
}

export const SEEDED_SERVICE = 'Seeded';

/**
 * Fills a store with subscriptions that a hub has granted: one is, and the others are written as it was.
 *
 * @returns the port their callbacks lead to
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
  // What the hub was answered is noted last.
  const settled = async (): Promise<boolean> => {
    const [subscription] = await runtime.subscriptions.find();
    return subscription?.renewsAt !== undefined && subscription.renewsAt.getTime() > Date.now() + 3_600_000;
  };
  while (!(await settled())) await new Promise((resolve) => setTimeout(resolve, 10));
  const [granted] = await runtime.subscriptions.find();
  if (granted?.callback === undefined) throw new Error('The subscription to be written many times was not granted');
  const { id, callback, grants } = granted;
  const { port = 0 } = runtime;
  await runtime.stopNow();

  const database = open(directory, { noSubdir: false });
  const key = [...database.getKeys()].map(String).find((each) => each.includes(':subscription:')) ?? '';
  const row: unknown = database.get(key);
  const text = JSON.stringify(row).replace(/"renewsAt":\d+/, `"renewsAt":${renewsAt}`);
  const token = callback.slice(callback.lastIndexOf('/') + 1);
  const grant = grants[0]?.id ?? '';
  await database.put(key, JSON.parse(text));
  // A process that was away would look at what each topic has, which is not what is measured.
  for (const alive of [...database.getKeys()].filter((each) => String(each).includes(':alive:'))) {
    await database.remove(alive);
  }
  let last: Promise<unknown> = Promise.resolve();
  for (let index = 1; index < count; index += 1) {
    const other = randomUUID();
    const copy = text
      .replaceAll(id, other)
      .replaceAll(grant, randomUUID())
      .replaceAll(token, randomBytes(32).toString('base64url'))
      .replaceAll(topic, `${topic}?of=${index}`);
    last = database.put(key.replace(id, other), JSON.parse(copy));
  }
  await last;
  await database.close();
  return port;
}
