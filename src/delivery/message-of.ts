import type { GrantRecord } from '../subscription/record.js';
import type { Entry } from '../subscription/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../subscription/snapshot-of.js';
import { ContentDistributionMessage } from './message.js';
import type { ReceivedContent } from './received-content.js';

/** What was received and found genuine. */
export type GenuineContent = Pick<ReceivedContent, 'headers' | 'raw' | 'decoded' | 'undecodable'>;

/** What a reception is besides its content. */
export type ReceptionFacts = Pick<
  ReceivedContent,
  'id' | 'receivedAt' | 'attempt' | 'isAborted' | 'source' | 'only' | 'changeOf'
>;

/** Content that came under a grant, as its handler gets it. */
export function messageOf(
  { record, counters }: Entry,
  grant: GrantRecord,
  { headers, raw, decoded, undecodable }: GenuineContent,
  facts: ReceptionFacts,
): ContentDistributionMessage {
  return new ContentDistributionMessage({
    id: facts.id,
    headers,
    raw,
    decoded,
    undecodable,
    receivedAt: facts.receivedAt,
    attempt: facts.attempt,
    isAborted: facts.isAborted,
    source: facts.source,
    only: facts.only,
    changeOf: facts.changeOf,
    subscriptionId: record.id,
    subscription: () => subscriptionSnapshot(record, counters.stats()),
    grant: () => grantSnapshot(grant),
  });
}
