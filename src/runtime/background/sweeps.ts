import type { DeliveryContext } from '../../delivery/delivery-context.js';
import type { DeadLetters } from '../../delivery/inbox/dead-letters.js';
import type { ProcessedLog } from '../../delivery/dedupe/processed-log.js';
import { log } from '../../log-events.js';
import type { GrantRecord, SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';
import { forEachSubscription } from '../../reconcile/each-subscription.js';
import type { ScheduleOptions } from '../config/start-options.js';

const FLUSH_CRON = '*/10 * * * * *';
/** Milliseconds until an ended subscription is deleted. */
const TOMBSTONE_MS = 30 * 86_400_000;

/** The parts that are swept. */
export interface SweptParts {
  readonly registry: Registry;
  readonly processedLog: Pick<ProcessedLog, 'sweep'>;
  readonly deadLetters: Pick<DeadLetters, 'sweep'>;
}

/**
 * Schedules the periodic work: stores counters every 10 s, and deletes old data. Also runs due work whose timer is
 * missing, as a safety net.
 */
export function scheduleSweeps(
  context: DeliveryContext,
  { registry, processedLog, deadLetters }: SweptParts,
  schedule: Required<ScheduleOptions>,
): void {
  const { engine, logger, now, services } = context;
  const windows = services.names.map((name) => services.get(name)?.delivery.dedupeWindowSeconds ?? 0);
  const longestWindowMs = 1000 * Math.max(0, ...windows);
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
  every(schedule.refresh, 'refresh', () => applyOverdue(context, registry, () => true));
  every(schedule.retry, 'retry', () => applyOverdue(context, registry, (record) => isRetrying(record, now())));
  every(schedule.sweep, 'sweep', async () => {
    await registry.sweep(now() - TOMBSTONE_MS);
    processedLog.sweep(now() - longestWindowMs);
    await deadLetters.sweep();
  });
}

async function applyOverdue(
  context: DeliveryContext,
  registry: Registry,
  isSelected: (record: SubscriptionRecord) => boolean,
): Promise<void> {
  const applyDue = async (id: string): Promise<void> => {
    try {
      await registry.apply(id, { type: 'due' });
    } catch (error) {
      log(context.logger, 'subscription.due-failed', { subscription: id, retriedBy: 'sweep', err: error });
    }
  };
  await forEachSubscription(context, registry, (record) =>
    isSelected(record) && registry.isDueUnscheduled(record) ? applyDue(record.id) : undefined,
  );
}

/** Whether the subscription or a grant has failed, or its next attempt is overdue. */
function isRetrying({ attempts, nextAttemptAt, grants }: SubscriptionRecord, now: number): boolean {
  const isWaiting = (waiting: Pick<GrantRecord, 'attempts' | 'nextAttemptAt'>): boolean =>
    waiting.attempts > 0 || (waiting.nextAttemptAt ?? Infinity) <= now;
  return isWaiting({ attempts, nextAttemptAt }) || grants.some(isWaiting);
}
