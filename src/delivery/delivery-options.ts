import type { GrantRecord } from '../subscription/record/record.js';
import type { StoredSubscription } from '../subscription/registry/registry.js';
import type { Inbox } from './inbox/inbox.js';
import type { ReceivedContent } from './message/received-content.js';
import type { DeduplicatorOptions } from './dedupe/deduplicator.js';
import type { EventFactoryOptions } from './message/event-factory.js';
import type { RecoveredEventsOptions } from './inbox/recovered-events.js';

/** Dependencies of `Delivery`. */
export interface DeliveryOptions extends RecoveredEventsOptions, Omit<DeduplicatorOptions, 'claimedEntries'> {
  readonly inbox: Pick<
    Inbox,
    'enqueue' | 'newPosition' | 'storeUnscheduled' | 'schedule' | 'storeFailed' | 'settle' | 'loadOf'
  >;
  /** Milliseconds the store may take while a hub waits. */
  readonly storeTimeoutMs: number;
  readonly processedLog: DeduplicatorOptions['processedLog'] & EventFactoryOptions['processedLog'];
  /** Fetches the current content of a grant's topic. Returns an error if that fails. */
  readonly fetchPingContent: (subscription: StoredSubscription, grant: GrantRecord) => Promise<ReceivedContent | Error>;
  readonly subscriptionOf: (subscriptionId: string) => StoredSubscription | undefined;
  /** Called when a handler ends the subscription. Rejects if that cannot be stored. */
  readonly onDeleted: (subscriptionId: string) => Promise<void>;
}
