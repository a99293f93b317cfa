import { onTestFinished } from 'vitest';
import { Inbox } from '../../src/delivery/inbox.js';
import type { InboxLimits, StoredRun } from '../../src/delivery/inbox-options.js';
import { decodeEvent, type StoredEvent } from '../../src/delivery/stored-event.js';
import { embeddedEngine } from '../../src/engine/embedded.js';
import { openStore } from '../../src/store/open-store.js';
import { FakeWorld } from '../e2e/fake-world.js';

const LIMITS: InboxLimits = { concurrency: 1, retryForSeconds: 60, order: 'none' };

/** An inbox of the service `news` over a store in memory. */
export async function setUp(run: (event: StoredEvent) => Promise<StoredRun>, limits: InboxLimits | undefined = LIMITS) {
  const world = new FakeWorld(0);
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const services = new Map([['news', limits]]);
  const engine = embeddedEngine({ now: () => world.now });
  const dead: StoredEvent[] = [];
  const foundDead: string[] = [];
  const inbox = new Inbox({
    store,
    engine,
    logger: world.logger,
    now: () => world.now,
    random: () => 1,
    limitsOf: (service) => services.get(service),
    run,
    onFound: () => {},
    onFoundDead: ({ id }) => void foundDead.push(id),
    onDeadLetter: (event) => void dead.push(event),
  });
  const pass = (milliseconds: number): void => {
    world.pass(milliseconds);
    engine.tick();
  };
  const read = async (id: string): Promise<StoredEvent> => decodeEvent(id, await store.get('event', id));
  return { inbox, store, world, services, dead, foundDead, pass, read };
}

export const failed = (message: string): StoredRun => ({ type: 'failed', error: new Error(message) });
