import { startOutstanding } from './on-wanted.js';
import { andThen, startRenewal, withoutEffects, withGrant } from '../record-changes.js';
import { onDue } from './on-due.js';
import type { Effect, InputOf, Transition, TransitionContext } from '../transition-types.js';
import { hasChangedOverrides, mergedOverrides } from '../../record/overrides.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { withoutCooldown } from '../rules/refusal-cooldown.js';
import { isEnabled, hasUnsolicitedDenial, isVerificationExpected, isOver, isWorking } from '../state.js';

/** Clears the stop reason and all failure counters, and starts again. */
export function onRetried(
  record: SubscriptionRecord,
  { overrides: newOverrides, metadata = record.metadata }: InputOf<'retried'>,
  context: TransitionContext,
): Transition {
  const enabled = { desired: 'subscribed', stoppedBecause: undefined, stoppedByVersion1: undefined } as const;
  const overrides = mergedOverrides(record.overrides, newOverrides);
  const user = metadata === undefined ? { overrides } : { overrides, metadata };
  const reset: SubscriptionRecord = { ...withCountersReset(record, context.now, isAnyGrant), ...user, ...enabled };
  const done = startOutstanding(reset, context);
  if (!hasChangedOverrides(overrides, record.overrides)) return done;
  // The hub should get the changed parameters at once, not at the next renewal.
  return andThen(done, (updated) => startRenewals(withOutdatedRequests(updated, context), done.effects, context));
}

/** Open requests carry the previous parameters. Their grants are renewed after the verification, even a late one. */
function withOutdatedRequests(record: SubscriptionRecord, { now }: TransitionContext): SubscriptionRecord {
  if (!record.grants.some((grant) => isVerificationExpected(grant, now))) return record;
  const grants = record.grants.map((grant) =>
    isVerificationExpected(grant, now) ? { ...grant, isOutdated: true } : grant,
  );
  return { ...record, grants };
}

/** Renews working grants now, except those with a request in flight. */
export function onRenewalWanted(
  before: SubscriptionRecord,
  { isOwed = false }: Pick<InputOf<'renewal-wanted'>, 'isOwed'>,
  context: TransitionContext,
): Transition {
  const record = before.renewalOwed === undefined ? before : { ...before, renewalOwed: undefined };
  if (!isEnabled(record)) return withoutEffects(record);
  return startRenewals(isOwed ? record : withoutHubCooldowns(record), [], context);
}

/** The record without waits at the hubs of working grants: the user wants the hubs requested now. */
function withoutHubCooldowns(record: SubscriptionRecord): SubscriptionRecord {
  const idle = record.grants.filter((grant) => isWorking(grant) && grant.pending === undefined);
  const clear = (updated: SubscriptionRecord, grant: GrantRecord): SubscriptionRecord =>
    withoutCooldown(
      grant.notBefore === undefined
        ? updated
        : withGrant(updated, grant.id, (one) => ({ ...one, notBefore: undefined })),
      grant,
    );
  return idle.reduce(clear, record);
}

/** Renews working grants with a new secret, or requests delivery to a new callback. */
export function onRotationWanted(
  record: SubscriptionRecord,
  { rotate }: InputOf<'rotation-wanted'>,
  context: TransitionContext,
): Transition {
  if (!isEnabled(record)) return withoutEffects(record);
  const marked = record.grants.map((grant) => {
    if (!isWorking(grant)) return grant;
    return rotate === 'secret' ? { ...grant, freshSecret: true } : { ...grant, freshCallbackAt: context.now };
  });
  const updated = withoutHubCooldowns({ ...record, grants: marked });
  return rotate === 'secret' ? startRenewals(updated, [], context) : onDue(updated, context);
}

function startRenewals(record: SubscriptionRecord, started: readonly Effect[], context: TransitionContext): Transition {
  let current = withoutEffects(record);
  for (const grant of record.grants) {
    const isRequested = started.some((effect) => effect.type === 'request' && effect.grantId === grant.id);
    const isInProgress = isRequested || grant.pending !== undefined || grant.isRenewalStarted === true;
    if (isWorking(grant) && !isInProgress)
      current = andThen(current, (updated) => startRenewal(updated, grant.id, context));
  }
  return current;
}

/**
 * Failures are counted from zero, `gave-up` ends, and retries that wait because of failures happen now. Other stop
 * reasons and waits stay.
 */
export function onCountersReset(record: SubscriptionRecord, context: TransitionContext): Transition {
  const stopReason = record.stoppedBecause === 'gave-up' ? undefined : record.stoppedBecause;
  const reset = { ...withCountersReset(record, context.now, hasNotRefused), stoppedBecause: stopReason };
  return isEnabled(reset) ? startOutstanding(reset, context) : withoutEffects(reset);
}

const isAnyGrant = (): boolean => true;

/** Whether no denial or refusal delays the grant. Such delays outlast a reset of the counters (PROTOCOL N2). */
function hasNotRefused({ state, deniedAt, refusals = 0 }: GrantRecord): boolean {
  return state === 'unsubscribing' || (deniedAt === undefined && refusals === 0);
}

/** The record without failures and their waits. */
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
        // A stranger may know the callback of a grant that ended with a denial. No hub gets that callback again.
        deniedAt: isDenied || isOver(grant) ? grant.deniedAt : undefined,
        // A planned check of a denial happens now.
        freshCallbackAt: grant.freshCallbackAt === undefined ? undefined : now,
        nextAttemptAt: isDenied && grant.nextAttemptAt !== undefined ? now : nextAttemptAfterReset(grant, now),
        notBefore: undefined,
        // A denied request would block the next one until its deadline.
        pending: grant.pending?.denied === true ? undefined : grant.pending,
      };
    }),
  };
}

/** A started renewal continues. A failed or denied renewal, and a failed unsubscribe, are retried now. */
function nextAttemptAfterReset(
  { state, pending, isRenewalStarted, nextAttemptAt, attempts, refusals = 0 }: GrantRecord,
  now: number,
): number | undefined {
  if (state === 'active' && pending?.denied === true) return now;
  const isFailed = state === 'unsubscribing' || (state === 'active' && attempts + refusals > 0);
  if (isFailed && nextAttemptAt !== undefined && isRenewalStarted !== true) return now;
  return isRenewalStarted === true ? nextAttemptAt : undefined;
}
