import { onTestFinished } from 'vitest';
import { CrashMarkers } from '../../../src/delivery/crash-guard/crash-markers.js';
import { Inbox } from '../../../src/delivery/inbox/inbox.js';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import type { InboxLimits } from '../../../src/delivery/inbox/inbox.js';
import { EventCrashGuard } from '../../../src/delivery/crash-guard/event-crash-guard.js';
import { decodeEvent, type StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import { SuspectLock } from '../../../src/delivery/crash-guard/suspect-lock.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { Engine } from '../../../src/engine/engine.js';
import type { Logger } from '../../../src/logger.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { openStore } from '../../../src/store/open-store.js';
import { FakeWorld } from '../../kit/fake-world.js';

const LIMITS: InboxLimits = { concurrency: 1, retryForSeconds: 60, order: 'none' };

/** An inbox of the service `news` on a memory store, or on the store of an earlier inbox. */
export async function setUp(
  run: (event: StoredEvent) => Promise<StoredRun>,
  limits: InboxLimits | undefined = LIMITS,
  store?: RecordStore,
) {
  const world = new FakeWorld(0);
  const records = store ?? (await openStore('memory'));
  onTestFinished(() => records.close());
  const services = new Map([['news', limits]]);
  const engine = embeddedEngine({ now: () => world.now });
  const deadLetters: StoredEvent[] = [];
  const recoveredDeadLetters: string[] = [];
  const { markers, crashGuard } = createCrashGuard(records, engine, { logger: world.logger, now: () => world.now });
  const inbox = new Inbox({
    store: records,
    engine,
    logger: world.logger,
    now: () => world.now,
    random: () => 1,
    limitsOf: (service) => services.get(service),
    run,
    crashGuard,
    onRecovered: () => {},
    onRecoveredDeadLetter: ({ meta }) => void recoveredDeadLetters.push(meta.id),
    onDeadLetter: (event) => void deadLetters.push(event),
  });
  const pass = (milliseconds: number): void => {
    world.advance(milliseconds);
    engine.tick();
  };
  const read = async (id: string): Promise<StoredEvent> => decodeEvent(id, await records.get('event', id));
  return { inbox, markers, store: records, world, services, deadLetters, recoveredDeadLetters, pass, read };
}

/** A crash guard on a store. */
export function createCrashGuard(
  store: RecordStore,
  engine: Engine,
  { logger, now }: { readonly logger: Logger; readonly now: () => number },
) {
  const markers = new CrashMarkers({ store, logger });
  const lock = new SuspectLock({ engine, now });
  return { markers, lock, crashGuard: new EventCrashGuard({ markers, lock, logger }) };
}

export const failed = (message: string): StoredRun => ({ type: 'failed', error: new Error(message) });
