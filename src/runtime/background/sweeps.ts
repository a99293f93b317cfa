import type { DeadLetters } from '../../delivery/inbox/dead-letters.js';
import type { ProcessedLog } from '../../delivery/dedupe/processed-log.js';
import type { Engine } from '../../engine/engine.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import { forEachSubscription } from '../../reconcile/each-subscription.js';
import type { ScheduleOptions } from '../config/start-options.js';

const FLUSH_CRON = '*/10 * * * * *';
/** Milliseconds until an ended subscription is deleted. */
const TOMBSTONE_MS = 30 * 86_400_000;

/** Dependencies and options of the sweeps. */
export interface SweepOptions {
  readonly registry: Registry;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly processedLog: Pick<ProcessedLog, 'sweep'>;
  readonly deadLetters: Pick<DeadLetters, 'sweep'>;
  /** The longest dedupe window of all services, in milliseconds. */
  readonly longestWindowMs: number;
  readonly schedule: Required<ScheduleOptions>;
  /** Whether the runtime stops: nothing new starts then. */
  readonly isStopping: () => boolean;
}

/**
 * Schedules the periodic work: stores counters every 10 s, and deletes old data. Also runs due work whose timer is
 * missing, as a safety net.
 */
export function scheduleSweeps(options: SweepOptions): void {
  const { registry, processedLog, deadLetters, longestWindowMs, engine, logger, now, schedule } = options;
  const every = (cronTime: string, name: string, work: () => Promise<void>): void => {
    engine.every(name, cronTime, async () => {
      try {
        await work();
      } catch (error) {
        log(logger, 'sweep.failed', { sweep: name, err: error });
      }
    });
  };
  every(FLUSH_CRON, 'flush', () => registry.flush());
  every(schedule.refresh, 'refresh', () => applyOverdue(options, () => true));
  every(schedule.retry, 'retry', () => applyOverdue(options, (record) => isRetrying(record, now())));
  every(schedule.sweep, 'sweep', async () => {
    await registry.sweep(now() - TOMBSTONE_MS);
    processedLog.sweep(now() - longestWindowMs);
    await deadLetters.sweep();
  });
}

async function applyOverdue(
  { registry, logger, isStopping }: SweepOptions,
  isSelected: (record: SubscriptionRecord) => boolean,
): Promise<void> {
  const applyDue = async (id: string): Promise<void> => {
    try {
      await registry.apply(id, { type: 'due' });
    } catch (error) {
      log(logger, 'subscription.due-failed', { subscription: id, retriedBy: 'sweep', err: error });
    }
  };
  await forEachSubscription({ registry, isStopping }, (record) =>
    isSelected(record) && registry.isDueUnscheduled(record) ? applyDue(record.id) : undefined,
  );
}

/** Whether the subscription or a grant has failed, or its next attempt is overdue. */
function isRetrying({ attempts, nextAttemptAt, grants }: SubscriptionRecord, now: number): boolean {
  const isWaiting = (waiting: Pick<GrantRecord, 'attempts' | 'nextAttemptAt'>): boolean =>
    waiting.attempts > 0 || (waiting.nextAttemptAt ?? Infinity) <= now;
  return isWaiting({ attempts, nextAttemptAt }) || grants.some(isWaiting);
}
