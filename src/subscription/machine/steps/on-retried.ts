import { startOutstanding } from './on-wanted.js';
import { andThen, startRenewal, unchanged, withGrant } from '../changes.js';
import { onDue } from './on-due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { hasChangedOverrides, mergedOverrides } from '../../record/overrides.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { withoutCooldown } from '../rules/refusal-cooldown.js';
import { isEnabled, hasUnsolicitedDenial, isVerificationExpected, isOver, isWorking } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Nothing holds it any more, and it starts afresh. */
export function onRetried(
  record: SubscriptionRecord,
  { overrides: newOverrides, metadata = record.metadata }: EventOf<'retried'>,
  context: TransitionContext,
): Transition {
  const enabled = { desired: 'subscribed', stoppedBecause: undefined, stoppedByVersion1: undefined } as const;
  const overrides = mergedOverrides(record.overrides, newOverrides);
  const user = metadata === undefined ? { overrides } : { overrides, metadata };
  const reset: SubscriptionRecord = { ...withCountersReset(record, context.now, isAnyGrant), ...user, ...enabled };
  const done = startOutstanding(reset, context);
  if (!hasChangedOverrides(overrides, record.overrides)) return done;
  // The hub is to know at once what is asked of it otherwise, not at the next renewal.
  return andThen(done, (reached) => startRenewals(withOutdatedRequests(reached, context), done.effects, context));
}

/** Open requests ask for what was wanted before, so their grants are renewed once they are verified, which may be late. */
function withOutdatedRequests(record: SubscriptionRecord, { now }: TransitionContext): SubscriptionRecord {
  if (!record.grants.some((grant) => isVerificationExpected(grant, now))) return record;
  const grants = record.grants.map((grant) =>
    isVerificationExpected(grant, now) ? { ...grant, isOutdated: true } : grant,
  );
  return { ...record, grants };
}

/** Renews working grants now, but for those with a request in flight. */
export function onRenewalWanted(
  before: SubscriptionRecord,
  { isOwed = false }: EventOf<'renewal-wanted'>,
  context: TransitionContext,
): Transition {
  const record = before.renewalOwed === undefined ? before : { ...before, renewalOwed: undefined };
  if (!isEnabled(record)) return unchanged(record);
  return startRenewals(isOwed ? record : withoutHubCooldowns(record), [], context);
}

/** The record without the waits at the hubs of working grants: the user wants them asked now. */
function withoutHubCooldowns(record: SubscriptionRecord): SubscriptionRecord {
  const idle = record.grants.filter((grant) => isWorking(grant) && grant.pending === undefined);
  const clear = (reached: SubscriptionRecord, grant: GrantRecord): SubscriptionRecord =>
    withoutCooldown(
      grant.notBefore === undefined
        ? reached
        : withGrant(reached, grant.id, (one) => ({ ...one, notBefore: undefined })),
      grant,
    );
  return idle.reduce(clear, record);
}

/** Renews working grants with another secret, or asks their hubs to deliver to another callback. */
export function onRotationWanted(
  record: SubscriptionRecord,
  { what }: EventOf<'rotation-wanted'>,
  context: TransitionContext,
): Transition {
  if (!isEnabled(record)) return unchanged(record);
  const marked = record.grants.map((grant) => {
    if (!isWorking(grant)) return grant;
    return what === 'secret' ? { ...grant, freshSecret: true } : { ...grant, freshCallbackAt: context.now };
  });
  const reached = withoutHubCooldowns({ ...record, grants: marked });
  return what === 'secret' ? startRenewals(reached, [], context) : onDue(reached, context);
}

function startRenewals(record: SubscriptionRecord, started: readonly Effect[], context: TransitionContext): Transition {
  let current = unchanged(record);
  for (const grant of record.grants) {
    const isRequested = started.some((effect) => effect.type === 'request' && effect.grantId === grant.id);
    const isInProgress = isRequested || grant.pending !== undefined || grant.renewalDue === true;
    if (isWorking(grant) && !isInProgress)
      current = andThen(current, (reached) => startRenewal(reached, grant.id, context));
  }
  return current;
}

/** Failures are counted from nothing, and what waits because of them is tried now; what holds for other reasons still does. */
export function onCountersReset(record: SubscriptionRecord, context: TransitionContext): Transition {
  const stopReason = record.stoppedBecause === 'gave-up' ? undefined : record.stoppedBecause;
  const reset = { ...withCountersReset(record, context.now, hasNotRefused), stoppedBecause: stopReason };
  return isEnabled(reset) ? startOutstanding(reset, context) : unchanged(reset);
}

const isAnyGrant = (): boolean => true;

/** Whether a grant waits for no denial or refusal: those waits outlast a reset of the counters (PROTOCOL N2). */
function hasNotRefused({ state, deniedAt, refusals = 0 }: GrantRecord): boolean {
  return state === 'unsubscribing' || (deniedAt === undefined && refusals === 0);
}

/** Nothing has failed so far, and no hub is left alone for it. */
function withCountersReset(
  record: SubscriptionRecord,
  now: number,
  shouldReset: (grant: GrantRecord) => boolean,
): SubscriptionRecord {
  return {
    ...record,
    passedOver: [],
    attempts: 0,
    attemptsKept: undefined,
    failures: undefined,
    nextAttemptAt: undefined,
    grants: record.grants.map((grant) => {
      if (grant.superseded === true)
        return shouldReset(grant) ? { ...grant, refusals: undefined, notBefore: undefined } : grant;
      if (!shouldReset(grant)) return { ...grant, attempts: 0 };
      const isDenied = hasUnsolicitedDenial(grant);
      return {
        ...grant,
        attempts: 0,
        refusals: undefined,
        // A stranger may know the callback of a grant that a denial ended: no hub is given it again.
        deniedAt: isDenied || isOver(grant) ? grant.deniedAt : undefined,
        // A question that a denial led to is asked now.
        freshCallbackAt: grant.freshCallbackAt === undefined ? undefined : now,
        nextAttemptAt: isDenied && grant.nextAttemptAt !== undefined ? now : nextAttemptAfterReset(grant, now),
        notBefore: undefined,
        // A request that was denied would be in the way of the next one until its deadline.
        pending: grant.pending?.denied === true ? undefined : grant.pending,
      };
    }),
  };
}

/** A renewal that has begun goes on; one that failed or was denied, and what a hub would not end, is asked for again. */
function nextAttemptAfterReset(
  { state, pending, renewalDue, nextAttemptAt, attempts, refusals = 0 }: GrantRecord,
  now: number,
): number | undefined {
  if (state === 'active' && pending?.denied === true) return now;
  const isFailed = state === 'unsubscribing' || (state === 'active' && attempts + refusals > 0);
  if (isFailed && nextAttemptAt !== undefined && renewalDue !== true) return now;
  return renewalDue === true ? nextAttemptAt : undefined;
}
