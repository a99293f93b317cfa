import type { RetryState, StoredEvent } from '../../../src/delivery/inbox/stored-event.js';
import type { EventMeta, NewEventMeta } from '../../../src/delivery/message/event-meta.js';
import { ContentDistributionMessage, type MessageContext } from '../../../src/delivery/message/message.js';
import type { ReceivedContent } from '../../../src/delivery/message/received-content.js';
import type { EventContext } from '../../../src/delivery/report.js';
import { Counters } from '../../../src/subscription/record/counters.js';
import { newSubscription, type GrantRecord } from '../../../src/subscription/record/record.js';
import type { StoredSubscription } from '../../../src/subscription/registry/registry.js';

export const grant: GrantRecord = {
  id: 'g1',
  advertisedHub: 'https://hub.example/',
  hub: 'https://hub.example/',
  hubSettled: true,
  topic: 'https://example.com/feed',
  callback: 'https://me.example/websub/x',
  path: 'x',
  state: 'active',
  secrets: [],
  attempts: 0,
};

export function entryOf(grants: readonly GrantRecord[] = [grant]): StoredSubscription {
  const wanted = { id: 's1', service: 'news', target: 'https://example.com/feed', declared: true, createdAt: 0 };
  return { record: { ...newSubscription(wanted), grants }, counters: new Counters(wanted.id, new Set()), keys: [] };
}

/** Content as it is received, and an event made from it. */
export function receptionOf(
  content: ReceivedContent = { headers: [], raw: new Uint8Array() },
  {
    entry = entryOf(),
    grant: given = grant,
    attempt = 1,
    ...facts
  }: Partial<NewEventMeta & Pick<MessageContext, 'grant' | 'attempt'>> & { readonly entry?: StoredSubscription } = {},
): EventContext {
  const { record, counters } = entry;
  const meta: NewEventMeta = {
    id: undefined,
    service: record.service,
    subscriptionId: record.id,
    grantId: given.id,
    receivedAt: 0,
    ...facts,
  };
  const context = { record, counters, grant: given, attempt, isAborted: false, changeOf: () => 'new' as const };
  return {
    subscription: entry,
    grant: given,
    meta,
    content,
    event: new ContentDistributionMessage(content, meta, context),
  };
}

/** The fields of a stored event, whatever part of it they belong to. */
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
