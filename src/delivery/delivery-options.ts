import type { GrantRecord } from '../subscription/record/record.js';
import type { StoredSubscription } from '../subscription/registry/registry.js';
import type { Inbox } from './inbox/inbox.js';
import type { ReceivedContent } from './message/received-content.js';
import type { DeduplicatorOptions } from './dedupe/deduplicator.js';
import type { EventFactoryOptions } from './message/event-factory.js';
import type { RecoveredEventsOptions } from './inbox/recovered-events.js';

/** Dependencies of delivery. */
export interface DeliveryOptions extends RecoveredEventsOptions, Omit<DeduplicatorOptions, 'claimedEntries'> {
  readonly inbox: Pick<
    Inbox,
    'enqueue' | 'newPosition' | 'storeUnscheduled' | 'schedule' | 'storeFailed' | 'settle' | 'loadOf'
  >;
  /** Milliseconds the store has while a hub waits. */
  readonly storeTimeoutMs: number;
  readonly processedLog: DeduplicatorOptions['processedLog'] & EventFactoryOptions['processedLog'];
  /** The present content of a grant's topic, or why it cannot be had. */
  readonly fetchPingContent: (entry: StoredSubscription, grant: GrantRecord) => Promise<ReceivedContent | Error>;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  /** A handler ended the subscription. Rejects where that could not be stored. */
  readonly onDeleted: (subscriptionId: string) => Promise<void>;
}
