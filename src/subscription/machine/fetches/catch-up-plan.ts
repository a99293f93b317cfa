import type { CatchUpRecord } from '../../record/fetch-records.js';
import type { SubscriptionRecord } from '../../record/record.js';
import type { TransitionContext } from '../transition-types.js';
import { isEnabled } from '../state.js';

type Planner = Pick<TransitionContext, 'now' | 'newRequestId'>;

/** Plans a fetch of missed events, in place of an earlier plan. */
export function planCatchUp(
  record: SubscriptionRecord,
  { now, newRequestId }: Planner,
  plan: Pick<CatchUpRecord, 'at' | 'refused'> = { at: now },
): SubscriptionRecord {
  return { ...record, catchUp: { id: newRequestId(), requestedAt: now, ...plan } };
}

/** The record without a planned catch-up. */
export function withoutCatchUp(record: SubscriptionRecord): SubscriptionRecord {
  if (record.catchUp === undefined) return record;
  const { catchUp: _ended, ...ended } = record;
  return ended;
}

/** Whether missed events are about to be fetched. Refused content that waits for room does not count. */
export function isCatchingUp({ catchUp }: SubscriptionRecord): boolean {
  return catchUp !== undefined && catchUp.refused === undefined;
}

/** When the catch-up of a subscription is due, in epoch milliseconds; undefined if none is planned. */
export function catchUpDueAt(record: SubscriptionRecord): number | undefined {
  return isEnabled(record) ? record.catchUp?.at : undefined;
}
