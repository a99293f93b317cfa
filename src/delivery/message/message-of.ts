import type { GrantRecord } from '../../subscription/record/record.js';
import type { Entry } from '../../subscription/registry/registry.js';
import { grantSnapshot, subscriptionSnapshot } from '../../subscription/record/snapshot-of.js';
import { ContentDistributionMessage } from './message.js';
import type { GenuineContent, ReceptionContext } from './received-content.js';

/** What a reception is besides its content. */
export type ReceptionFacts = Omit<ReceptionContext, 'subscriptionId' | 'subscription' | 'grant'>;

/** Content that came under a grant, as its handler gets it. */
export function messageOf(
  { record, counters }: Entry,
  grant: GrantRecord,
  content: GenuineContent,
  { id, receivedAt, attempt, isAborted, source, only, changeOf }: ReceptionFacts,
): ContentDistributionMessage {
  return new ContentDistributionMessage(content, {
    id,
    receivedAt,
    attempt,
    isAborted,
    source,
    only,
    changeOf,
    subscriptionId: record.id,
    subscription: () => subscriptionSnapshot(record, counters.stats()),
    grant: () => grantSnapshot(grant),
  });
}
