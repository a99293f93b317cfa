import type { GrantRecord } from '../subscription/record/record.js';
import type { Entry } from '../subscription/registry/registry.js';
import type { Inbox } from './inbox/inbox.js';
import type { ReceivedContent } from './message/received-content.js';
import type { OnceOnlyOptions } from './dedupe/deduplicator.js';
import type { ReceptionsOptions } from './message/event-factory.js';
import type { LeftEventsOptions } from './inbox/recovered-events.js';

/** Dependencies of delivery. */
export interface DeliveryOptions extends LeftEventsOptions, Omit<OnceOnlyOptions, 'claimed'> {
  readonly inbox: Pick<Inbox, 'enqueue' | 'newPosition' | 'hold' | 'release' | 'keep' | 'settle' | 'loadOf'>;
  /** Milliseconds the store has while a hub waits. */
  readonly storeTimeoutMs: number;
  readonly seen: OnceOnlyOptions['seen'] & ReceptionsOptions['seen'];
  /** The present content of a grant's topic, or why it cannot be had. */
  readonly fetchPinged: (entry: Entry, grant: GrantRecord) => Promise<ReceivedContent | Error>;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  /** A handler ended the subscription. Rejects where that could not be stored. */
  readonly onDeleted: (subscriptionId: string) => Promise<void>;
}
