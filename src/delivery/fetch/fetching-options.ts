import type { Logger } from '../../logger.js';
import type { TransitionInput } from '../../subscription/machine/transition-types.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { StoredSubscription } from '../../subscription/registry/registry.js';
import type { Delivery } from '../delivery.js';
import type { DeliveryService } from '../delivery-service.js';
import type { TopicCrashGuard } from '../crash-guard/topic-crash-guard.js';
import type { ProcessedLog } from '../dedupe/processed-log.js';
import type { TopicReader } from './topic-reader.js';

/** Dependencies shared by catch-up and polling. */
export interface FetchingOptions {
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly reader: Pick<TopicReader, 'read'>;
  readonly processedLog: Pick<
    ProcessedLog,
    'isMissing' | 'isMissingOrBaseline' | 'isUnknown' | 'isUncertain' | 'hasOverflowed' | 'touch' | 'markBaseline'
  >;
  readonly delivery: Pick<Delivery, 'enqueueFetched' | 'runExclusive'>;
  readonly serviceOf: (service: string) => DeliveryService | undefined;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  readonly apply: (subscriptionId: string, input: TransitionInput) => Promise<SubscriptionRecord>;
  readonly crashGuard: Pick<TopicCrashGuard, 'run'>;
  /** Whether the runtime is stopping. No new work starts then. */
  readonly isStopping: () => boolean;
}
