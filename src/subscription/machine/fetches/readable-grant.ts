import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { isOver, isWorking } from '../state.js';

/** The grant whose topic is read: a working one, else one that is not over, else the first. */
export function readableGrant({ grants }: Pick<SubscriptionRecord, 'grants'>): GrantRecord | undefined {
  return grants.find(isWorking) ?? grants.find((grant) => !isOver(grant)) ?? grants[0];
}

/** Whether a topic has a URL that can be fetched. A FHIRcast topic, for example, has none. */
export function isFetchable(topic: string): boolean {
  return URL.canParse(topic) && /^https?:$/.test(new URL(topic).protocol);
}

/** Whether the topic of a subscription can be fetched. */
export function canFetchTopic(record: Pick<SubscriptionRecord, 'grants'>): boolean {
  const grant = readableGrant(record);
  return grant !== undefined && isFetchable(grant.topic);
}
