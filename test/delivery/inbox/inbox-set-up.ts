import { onTestFinished } from 'vitest';
import { CrashMarkers } from '../../../src/delivery/crash-guard/crash-markers.js';
import { Inbox } from '../../../src/delivery/inbox/inbox.js';
import type { StoredRun } from '../../../src/delivery/handler/handler-run.js';
import { EventCrashGuard } from '../../../src/delivery/crash-guard/event-crash-guard.js';
import { decodeEvent, type StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import { SuspectLock } from '../../../src/delivery/crash-guard/suspect-lock.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { openStore } from '../../../src/store/open-store.js';
import type { DeliveryContext } from '../../../src/delivery/delivery-context.js';
import type { CheckedDeliveryConfig } from '../../../src/delivery/delivery-config.js';
import type { EngineContext } from '../../../src/engine/engine-context.js';
import { deliveryWithDefaults } from '../../../src/runtime/config/checks/service-checks.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { servicesWith, testContext } from '../../kit/test-context.js';

/** The delivery options that an inbox reads. */
export type InboxLimits = Pick<CheckedDeliveryConfig, 'concurrency' | 'retryForSeconds' | 'order'>;

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
  const context = testContext({
    store: records,
    engine,
    logger: world.logger,
    now: () => world.now,
    random: () => 1,
    services: inboxServices((service) => services.get(service)),
  });
  const { markers, crashGuard } = createCrashGuard(context);
  const inbox = new Inbox(context, crashGuard);
  inbox.consume({
    run,
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

/** Services with these limits. Undefined: the service is not declared. */
export function inboxServices(limitsOf: (service: string) => InboxLimits | undefined): DeliveryContext['services'] {
  return servicesWith({
    get: (name) => {
      const limits = limitsOf(name);
      const delivery = deliveryWithDefaults({ ...limits }, 'failover');
      return limits && { name, handlers: { onEventNotification: () => {} }, delivery };
    },
  });
}

/** A crash guard on a store. */
export function createCrashGuard(context: EngineContext) {
  const markers = new CrashMarkers(context);
  const lock = new SuspectLock(context);
  return { markers, lock, crashGuard: new EventCrashGuard(context, markers, lock) };
}

export const failed = (message: string): StoredRun => ({ type: 'failed', error: new Error(message) });
