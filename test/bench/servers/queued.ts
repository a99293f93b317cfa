import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { open } from 'lmdb';
import { serveBench } from '../bench-server.js';
import { startSubscriber } from './subscriber.js';

serveBench(async (setup) => {
  let handled = 0;
  const handlers = {
    onEventNotification(): void {
      handled += 1;
    },
  };
  const accepted = (): number => handled;
  const directory = join(process.cwd(), 'store');
  const server = await startSubscriber(setup, handlers, {
    delivery: { mode: 'queued' },
    store: `lmdb://${directory}`,
  });
  return {
    callback: server.callback,
    accepted,
    async settle() {
      const acknowledged = await server.received();
      const waiting = acknowledged - handled;
      while (accepted() < acknowledged) await delay(1);
      return waiting;
    },
    async stop() {
      const acknowledged = await server.received();
      await server.stop();
      const remaining = await eventsIn(directory);
      if (handled === acknowledged && remaining === 0) return;
      throw new Error(
        `${acknowledged} deliveries were acknowledged and ${handled} handled; ${remaining} are still stored`,
      );
    },
  };
});

/** Counts the events in a store that is not open. */
async function eventsIn(directory: string): Promise<number> {
  const database = open(directory, { noSubdir: false, readOnly: true });
  const events = [...database.getKeys()].filter((key) => String(key).includes(':event:'));
  await database.close();
  return events.length;
}
