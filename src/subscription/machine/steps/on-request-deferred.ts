import { withoutEffects, withGrant } from '../record-changes.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import { withoutPublisherRetryAfters } from '../rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { MAX_DEFERRAL_MS } from '../../retry-policy.js';
import { isEnabled, isOver, isWorking } from '../state.js';
import { withRenewalsReleased } from '../rules/successor.js';

type RequestEffect = Extract<Effect, { type: 'request' }>;

/**
 * A subscribe request is deferred because the origin of its hub answered 429 to another request (PROTOCOL S3). The
 * deferral is no failure: nothing is counted, and no other hub is tried.
 */
export function onRequestDeferred(
  record: SubscriptionRecord,
  input: InputOf<'request-deferred'>,
  context: TransitionContext,
): Transition {
  const { grantId, until, requestId } = input;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isWaitingToSend(record, grant, requestId)) return withoutEffects(record);
  const waiting: GrantRecord = {
    ...grant,
    // The only answer was a redirect, so no hub has the request. A hub that accepted an earlier request may still
    // verify the earlier one.
    state: grant.state === 'verifying' ? (grant.lateUntil === undefined ? 'requested' : 'failed') : grant.state,
    pending: undefined,
    isRenewalStarted: undefined,
    nextAttemptAt: until,
    guardedUntil: undefined,
    deferredUntil: until,
  };
  return withoutEffects(
    withRenewalsReleased(
      withGrant(record, grantId, () => waiting),
      waiting,
      context,
    ),
  );
}

function isWaitingToSend(record: SubscriptionRecord, grant: GrantRecord, requestId: string): boolean {
  const { state, superseded, pending, currentRequest } = grant;
  if (!isEnabled(record) || isOver(grant) || state === 'unsubscribing' || superseded === true) return false;
  return pending === undefined ? currentRequest === requestId : pending.id === requestId;
}

/**
 * Whether the grant's request is deferred until a later time. A wait above the maximum was stored before the clock was
 * set back.
 */
function isDeferred({ deferredUntil = 0 }: GrantRecord, now: number): boolean {
  return deferredUntil > now && deferredUntil <= now + MAX_DEFERRAL_MS;
}

/** Keeps deferred requests waiting until their time, also through a restart, a sweep and another discovery. */
export function withDeferredRequests(next: Transition, { now }: TransitionContext): Transition {
  const { record, effects } = next;
  const isDeferredRequest = (effect: Effect): effect is RequestEffect =>
    effect.type === 'request' &&
    effect.mode === 'subscribe' &&
    record.grants.some((grant) => grant.id === effect.grantId && isDeferred(grant, now));
  const deferred = effects.filter(isDeferredRequest);
  if (deferred.length === 0) return next;
  const defer = (grant: GrantRecord): GrantRecord => ({
    ...grant,
    nextAttemptAt: grant.deferredUntil,
    guardedUntil: undefined,
  });
  return {
    record: deferred.reduce((updated, { grantId }) => withGrant(updated, grantId, defer), record),
    effects: effects.filter((effect) => !isDeferredRequest(effect)),
  };
}

/** The user retries this one subscription: none of its requests is deferred any more. */
export function retryWithoutDeferral(
  record: SubscriptionRecord,
  now: number,
  retry: (record: SubscriptionRecord) => Transition,
): Transition {
  const deferred = record.grants.filter(({ deferredUntil }) => deferredUntil !== undefined).map(({ id }) => id);
  const undefer = (updated: SubscriptionRecord, grantId: string): SubscriptionRecord =>
    withGrant(updated, grantId, (grant) => ({ ...grant, deferredUntil: undefined }));
  const { record: retried, effects } = retry(deferred.reduce(undefer, withoutPublisherRetryAfters(record)));
  // A retry does not touch working grants. Without this step, their deferred renewals would wait for the planned time.
  const makeDue = (updated: SubscriptionRecord, grantId: string): SubscriptionRecord =>
    withGrant(updated, grantId, (grant) => {
      const isBegun = grant.pending !== undefined || grant.isRenewalStarted === true;
      return isWorking(grant) && !isBegun ? { ...grant, nextAttemptAt: now } : grant;
    });
  return { record: deferred.reduce(makeDue, retried), effects: [{ type: 'bypass-rate-limits' }, ...effects] };
}
