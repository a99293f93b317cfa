import { planCatchUp, withoutCatchUp } from './catch-up-plan.js';
import { withoutEffects } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { CatchUpRecord } from '../../record/fetch-records.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { retryWaitMs, TOPIC_FETCH } from '../../retry-policy.js';
import { isWorking } from '../state.js';

/** The topic was fetched. Everything published between the start of the gap and the fetch is stored for the handler. */
export function onCaughtUp(record: SubscriptionRecord, { gapId, beganAt, fetched }: InputOf<'caught-up'>): Transition {
  if (record.catchUp?.id !== gapId) return withoutEffects(record);
  const { gapSince, ...closed } = { ...withoutCatchUp(record), fetched };
  if (gapSince === undefined || isGapClosed(record, beganAt)) return withoutEffects(closed);
  return withoutEffects({ ...closed, gapSince: Math.max(gapSince, beganAt) });
}

/**
 * Whether a hub was verified before the fetch and none is failing. Otherwise content published after the fetch may be
 * missing.
 */
function isGapClosed({ attempts, grants }: SubscriptionRecord, beganAt: number): boolean {
  return attempts === 0 && grants.some((grant) => isWorking(grant) && (grant.verifiedAt ?? 0) <= beganAt);
}

/** The topic could not be fetched now. It is fetched again later. */
export function onCatchUpFailed(
  record: SubscriptionRecord,
  { gapId, notBefore }: InputOf<'catch-up-failed'>,
  { now, random, newRequestId }: TransitionContext,
): Transition {
  return ofPlan(record, gapId, (plan) => {
    const attempts = (plan.attempts ?? 0) + 1;
    const at = Math.max(now + retryWaitMs(attempts, random, TOPIC_FETCH), notBefore);
    return { ...record, catchUp: { id: newRequestId(), at, requestedAt: plan.requestedAt, attempts } };
  });
}

/** The topic is not fetched before a hub verifies again, because it ended the process several times. */
export function onCatchUpSkipped(
  record: SubscriptionRecord,
  { gapId }: InputOf<'catch-up-skipped'>,
  { newRequestId }: TransitionContext,
): Transition {
  return ofPlan(record, gapId, (plan) => ({ ...record, catchUp: { ...plan, id: newRequestId(), at: undefined } }));
}

/** There is nothing to fetch: the topic has no URL that can be fetched, or catch-up is off. */
export function onCatchUpDropped(record: SubscriptionRecord, { gapId }: InputOf<'catch-up-dropped'>): Transition {
  return ofPlan(record, gapId, () => withoutCatchUp(record));
}

function ofPlan(
  record: SubscriptionRecord,
  gapId: string,
  change: (plan: CatchUpRecord) => SubscriptionRecord,
): Transition {
  const { catchUp } = record;
  return withoutEffects(catchUp?.id === gapId ? change(catchUp) : record);
}

/** Plans the catch-up that was skipped, now that a hub has verified. */
export function resumeCatchUp(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  const isSkipped = record.catchUp !== undefined && record.catchUp.at === undefined;
  return isSkipped ? planCatchUp(record, context) : record;
}
