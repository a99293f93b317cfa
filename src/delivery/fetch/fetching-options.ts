import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { TransitionInput } from '../../subscription/machine/transition-types.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { Delivery } from '../delivery.js';
import type { DeliveryService } from '../delivery-service.js';
import type { TopicCrashGuard } from '../crash-guard/topic-crash-guard.js';
import type { ProcessedLog } from '../dedupe/processed-log.js';
import type { TopicReader } from './topic-reader.js';

/** The background work of one subscription. */
export interface FetchTask {
  readonly task: 'catch-up' | 'poll';
  readonly subscription: string;
}

/** Dependencies shared by catch-up and polling. */
export interface FetchingOptions {
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly reader: Pick<TopicReader, 'read'>;
  readonly processedLog: Pick<
    ProcessedLog,
    'isMissing' | 'isMissingOrBaseline' | 'isUnknown' | 'isUncertain' | 'hasOverflowed' | 'touch' | 'markBaseline'
  >;
  readonly delivery: Pick<Delivery, 'enqueueFetched' | 'runExclusive'>;
  readonly serviceOf: (service: string) => DeliveryService | undefined;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  readonly apply: (subscriptionId: string, input: TransitionInput) => Promise<unknown>;
  /** Runs background work once the current work of the same task has ended. Its failure is logged. */
  readonly runTask: (task: FetchTask, work: () => Promise<void>) => Promise<void>;
  readonly crashGuard: Pick<TopicCrashGuard, 'run'>;
  /** Whether the runtime is stopping. No new work starts then. */
  readonly isStopping: () => boolean;
}
