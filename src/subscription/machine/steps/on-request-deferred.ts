import { unchanged, withGrant } from '../changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { withoutPublisherRetryAfters } from '../rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { MAX_DEFERRAL_MS } from '../../retry-policy.js';
import { isEnabled, isOver, isWorking } from '../state.js';
import { withoutWaitingRenewals } from '../rules/successor.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;
type RequestEffect = Extract<Effect, { type: 'request' }>;

/**
 * A subscribe request waits, as its hub's origin answered 429 to another one (PROTOCOL S3). That is no failure: nothing is
 * counted, and no other hub is asked.
 */
export function onRequestDeferred(
  record: SubscriptionRecord,
  event: EventOf<'request-deferred'>,
  context: TransitionContext,
): Transition {
  const { grantId, until, requestId } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isWaitingToSend(record, grant, requestId)) return unchanged(record);
  const waiting: GrantRecord = {
    ...grant,
    // No hub has it: only a redirect was met on the way. One that took a request before may still verify that.
    state: grant.state === 'verifying' ? (grant.lateUntil === undefined ? 'requested' : 'failed') : grant.state,
    pending: undefined,
    renewalDue: undefined,
    nextAttemptAt: until,
    guardedUntil: undefined,
    deferredUntil: until,
  };
  return unchanged(
    withoutWaitingRenewals(
      withGrant(record, grantId, () => waiting),
      waiting,
      context,
    ),
  );
}

function isWaitingToSend(record: SubscriptionRecord, grant: GrantRecord, requestId: string | undefined): boolean {
  const { state, superseded, pending, nextAttemptAt } = grant;
  if (!isEnabled(record) || isOver(grant) || state === 'unsubscribing' || superseded === true) return false;
  if (pending !== undefined) return pending.id === requestId;
  // Neither scheduled nor open: it was withdrawn, and another hub may be asked by now.
  return requestId === undefined && nextAttemptAt !== undefined;
}

/** Whether the request for a grant was put off, and its time has not come. A longer wait is another clock's. */
function isDeferred({ deferredUntil: heldUntil = 0 }: GrantRecord, now: number): boolean {
  return heldUntil > now && heldUntil <= now + MAX_DEFERRAL_MS;
}

/**
 * Keeps requests that were put off waiting until their time, also through a restart, a sweep and another discovery.
 */
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
    record: deferred.reduce((reached, { grantId }) => withGrant(reached, grantId, defer), record),
    effects: effects.filter((effect) => !isDeferredRequest(effect)),
  };
}

/** The user wants this very subscription asked for: nothing of it is held back any more. */
export function retryWithoutDeferral(
  record: SubscriptionRecord,
  now: number,
  retry: (record: SubscriptionRecord) => Transition,
): Transition {
  const deferred = record.grants.filter(({ deferredUntil: heldUntil }) => heldUntil !== undefined).map(({ id }) => id);
  const undefer = (reached: SubscriptionRecord, grantId: string): SubscriptionRecord =>
    withGrant(reached, grantId, (grant) => ({ ...grant, deferredUntil: undefined }));
  const { record: retried, effects } = retry(deferred.reduce(undefer, withoutPublisherRetryAfters(record)));
  // A retry leaves alone what works: a renewal that was put off would wait until it was planned.
  const makeDue = (reached: SubscriptionRecord, grantId: string): SubscriptionRecord =>
    withGrant(reached, grantId, (grant) => {
      const isBegun = grant.pending !== undefined || grant.renewalDue === true;
      return isWorking(grant) && !isBegun ? { ...grant, nextAttemptAt: now } : grant;
    });
  return { record: deferred.reduce(makeDue, retried), effects: [{ type: 'release' }, ...effects] };
}
