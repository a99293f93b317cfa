import type { RetryState, StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import type { EventMeta, NewEventMeta } from '../../../src/delivery/message/event-meta.js';
import { ContentDistributionMessage, type MessageContext } from '../../../src/delivery/message/message.js';
import type { ReceivedContent } from '../../../src/delivery/message/received-content.js';
import type { EventContext } from '../../../src/delivery/event-context.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import { newSubscription, type GrantRecord } from '../../../src/subscription/record/record.js';
import type { StoredSubscription } from '../../../src/subscription/registry/registry.js';

export const grant: GrantRecord = {
  id: 'g1',
  advertisedHub: 'https://hub.example/',
  hub: 'https://hub.example/',
  hasHubAccepted: true,
  topic: 'https://example.com/feed',
  callback: 'https://me.example/websub/x',
  path: 'x',
  state: 'active',
  secrets: [],
  attempts: 0,
};

/** A stored subscription with these grants. */
export function storedSubscription(grants: readonly GrantRecord[] = [grant]): StoredSubscription {
  const fields = { id: 's1', service: 'news', target: 'https://example.com/feed', declared: true, createdAt: 0 };
  return { record: { ...newSubscription(fields), grants }, counters: new Counters(fields.id, new Set()), keys: [] };
}

/** The context of an event with this content. */
export function contextOf(
  content: ReceivedContent = { headers: [], raw: new Uint8Array() },
  {
    subscription = storedSubscription(),
    grant: eventGrant = grant,
    attempt = 1,
    ...metaFields
  }: Partial<NewEventMeta & Pick<MessageContext, 'grant' | 'attempt'>> & {
    readonly subscription?: StoredSubscription;
  } = {},
): EventContext {
  const { record, counters } = subscription;
  const meta: NewEventMeta = {
    id: undefined,
    service: record.service,
    subscriptionId: record.id,
    grantId: eventGrant.id,
    receivedAt: 0,
    ...metaFields,
  };
  const messageContext = {
    record,
    counters,
    grant: eventGrant,
    attempt,
    isAborted: false,
    changeOf: () => 'new' as const,
  };
  return {
    subscription,
    grant: eventGrant,
    meta,
    content,
    event: new ContentDistributionMessage(content, meta, messageContext),
  };
}

/** Fields of all parts of a stored event. */
export type EventFields = Partial<EventMeta & ReceivedContent & RetryState>;

export const storedEvent = storedEventWith();

/** A stored event with these fields. */
export function storedEventWith({
  attempts = 0,
  nextAttemptAt = 0,
  errors = [],
  triedSince,
  deadSince,
  deadCause,
  headers = [],
  raw = new Uint8Array([1]),
  decoded,
  undecodable,
  url,
  ...meta
}: EventFields = {}): StoredEvent {
  return {
    meta: { id: 'e1', service: 'news', subscriptionId: 's1', grantId: 'g1', receivedAt: 0, ...meta },
    content: { headers, raw, decoded, undecodable, url },
    retry: { attempts, nextAttemptAt, errors, triedSince, deadSince, deadCause },
  };
}
