import type { DeliveryContext } from '../../delivery/delivery-context.js';
import type { Timetable } from '../../engine/engine.js';
import { slices } from '../../engine/slices.js';
import { log } from '../../log-events.js';
import { isEnabled } from '../../subscription/machine/state.js';
import { missedSince } from '../../subscription/machine/fetches/on-resumed.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import type { Liveness } from './liveness.js';

/** Catch-ups after a downtime start at random times: within 20 ms per topic, at most 30 min in total. */
const SPREAD_STEP_MS = 20;
const MAX_SPREAD_MS = 1_800_000;

/** Catch-ups that are planned together. More would take memory and time long before their turn. */
const BATCH_SIZE = 1_000;

const NEXT = 'next batch';

/**
 * Walks through the subscriptions that may have missed events during a downtime, and plans their catch-ups in batches,
 * spread over time. Until the walk has ended, the heartbeat stays where it was: a next process walks again.
 */
export class DowntimeWalk {
  readonly #context: DeliveryContext;
  readonly #registry: Registry;
  readonly #liveness: Liveness;
  readonly #due: Timetable;
  #ids: readonly string[] = [];
  #next = 0;
  #batchMs = 0;

  constructor(context: DeliveryContext, registry: Registry, liveness: Liveness) {
    const { engine, now } = context;
    this.#context = context;
    this.#registry = registry;
    this.#liveness = liveness;
    this.#due = engine.timetable('downtime-walk', () => this.#planBatch());
    engine.onClockSetBack(() => this.#due.bringForwardTo(now()));
  }

  /**
   * Begins a walk, and ends one in progress. Fetches that are planned already, and polls, are spread at once. Resolves
   * when the first catch-ups are planned.
   */
  async begin(): Promise<void> {
    this.#liveness.hold();
    this.#due.set(NEXT, undefined);
    const ids: string[] = [];
    this.#ids = ids;
    let planned = 0;
    for await (const slice of slices(this.#registry.all())) {
      for (const { record } of slice) {
        if (isFetched(record) || this.#isPolled(record)) {
          planned += 1;
          void this.#resume(record, Math.min(MAX_SPREAD_MS, planned * SPREAD_STEP_MS));
        } else if (this.#hasMissed(record)) {
          ids.push(record.id);
        }
      }
    }
    // Another walk began meanwhile.
    if (this.#ids !== ids) return;
    this.#next = 0;
    const batches = Math.ceil(ids.length / BATCH_SIZE);
    this.#batchMs = Math.min(MAX_SPREAD_MS / batches, BATCH_SIZE * SPREAD_STEP_MS);
    this.#planBatch();
  }

  #planBatch(): void {
    const { now, closing } = this.#context;
    if (closing.isStopping) return;
    const batch = this.#ids.slice(this.#next, this.#next + BATCH_SIZE);
    this.#next += batch.length;
    for (const [index, id] of batch.entries()) {
      const record = this.#registry.get(id)?.record;
      if (record !== undefined) void this.#resume(record, Math.min(this.#batchMs, (index + 1) * SPREAD_STEP_MS));
    }
    if (this.#next < this.#ids.length) {
      this.#due.set(NEXT, now() + this.#batchMs);
    } else {
      this.#ids = [];
      this.#liveness.release();
    }
  }

  /** Plans the fetches of a subscription, within the next `spreadMs` milliseconds. Never rejects. */
  async #resume({ id, service }: SubscriptionRecord, spreadMs: number): Promise<void> {
    const { now, random, logger } = this.#context;
    const receivedUntil = this.#liveness.aliveUntil(service);
    const fetchAt = now() + Math.floor(random() * spreadMs);
    try {
      await this.#registry.update(id, { type: 'resumed', receivedUntil, fetchAt });
    } catch (error) {
      // The write is deferred and cannot fail, but the subscription may have been removed meanwhile.
      log(logger, 'task.failed', { task: 'catch-up', subscription: id, err: error });
    }
  }

  #isPolled({ service }: SubscriptionRecord): boolean {
    return (this.#context.services.get(service)?.delivery.pollSeconds ?? 0) > 0;
  }

  #hasMissed(record: SubscriptionRecord): boolean {
    const { service } = record;
    const { catchUp = false } = this.#context.services.get(service)?.delivery ?? {};
    return catchUp && isEnabled(record) && missedSince(record, this.#liveness.aliveUntil(service)) !== undefined;
  }
}

/** Whether fetches are planned already. They may be overdue. */
function isFetched({ catchUp, poll }: SubscriptionRecord): boolean {
  return catchUp !== undefined || poll !== undefined;
}
