import type { GrantRecord } from '../subscription/record/record.js';
import type { StoredSubscription } from '../subscription/registry/registry.js';
import type { DedupeKey } from './dedupe/dedupe-key.js';
import type { NewEventMeta } from './message/event-meta.js';
import type { ContentDistributionMessage } from './message/message.js';
import type { ReceivedContent } from './message/received-content.js';

/** The data of an event, with its subscription and grant. `event` is the object that its handler gets. */
export interface EventContext {
  readonly subscription: StoredSubscription;
  readonly grant: GrantRecord;
  readonly meta: NewEventMeta;
  readonly content: ReceivedContent;
  readonly event: ContentDistributionMessage;
  /** Keys that recognize duplicates of the event; set once the content is parsed. */
  dedupeKeys?: readonly DedupeKey[] | undefined;
}
