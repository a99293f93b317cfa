import type { TransitionContext } from '../events.js';
import { lateVerificationMs } from './lease.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { HUB_REFUSED, MAX_WAIT_MS } from '../../retry-policy.js';

/** Clocks are put right by so much without anything to be done about it, in milliseconds. */
const TOLERANCE_MS = 60_000;

/** Times of past events: none of them can lie in the future. */
const PAST_TIMES = [
  'requestedAt',
  'deniedAt',
  'grantedAt',
  'denialCheckedAt',
  'broughtForwardAt',
  'hubErrorAt',
] as const;

type Clock = Pick<TransitionContext, 'now' | 'rules'>;

/**
 * Whether a subscription was scheduled by a clock that has been set back since: by this one it would wait for longer than
 * was meant, and a lease would seem to last for longer than its hub counts it.
 */
export function isAffectedByClockSetBack(record: SubscriptionRecord, clock: Clock): boolean {
  const { grants, nextAttemptAt } = record;
  const isGrantAffected = grants.some(
    (grant) =>
      isLeaseInFuture(grant, clock) ||
      waitsTooLong(record, grant, clock) ||
      PAST_TIMES.some((name) => isInFuture(grant[name], clock)),
  );
  return isGrantAffected || hasErrorInFuture(record, clock) || isTooFar(nextAttemptAt, clock);
}

/** The record with what a clock that was set back has put off due now. */
export function withClockSetBackCorrected(record: SubscriptionRecord, clock: Clock): SubscriptionRecord {
  if (!isAffectedByClockSetBack(record, clock)) return record;
  const { now } = clock;
  const { lastError } = record;
  const isErrorInFuture = hasErrorInFuture(record, clock);
  const isTooLate = (at: number): boolean => at > now && (isErrorInFuture || isTooFar(at, clock));
  const dueNow = (at: number | undefined): number | undefined => (at !== undefined && isTooLate(at) ? now : at);
  return {
    ...record,
    // What it made wait is not made to wait by it twice.
    lastError: isErrorInFuture && lastError !== undefined ? { ...lastError, at: now } : lastError,
    nextAttemptAt: dueNow(record.nextAttemptAt),
    grants: record.grants.map((grant) => ({
      ...grant,
      ...Object.fromEntries(PAST_TIMES.flatMap((name) => (isInFuture(grant[name], clock) ? [[name, now]] : []))),
      freshCallbackAt: isFreshCallbackTooLate(record, grant, clock) ? now : grant.freshCallbackAt,
      lateUntil: isLateWindowTooLong(grant, clock) ? now + lateMs(clock) : grant.lateUntil,
      // Its lease began in what is the future now: only its hub can say how long it lasts.
      renewsAt: isLeaseInFuture(grant, clock) ? now : grant.renewsAt,
      nextAttemptAt: dueNow(grant.nextAttemptAt),
      notBefore: dueNow(grant.notBefore),
      pending: isDeadlineTooLate(grant, clock) && grant.pending ? { ...grant.pending, deadline: now } : grant.pending,
    })),
  };
}

function isLeaseInFuture(
  { state, leaseSeconds = 0, verifiedAt = 0, renewsAt = 0 }: GrantRecord,
  { now }: Clock,
): boolean {
  // A tenth of a lease: less than is kept for further tries.
  const tolerance = Math.min(TOLERANCE_MS, leaseSeconds * 100);
  return state === 'active' && verifiedAt > now + tolerance && renewsAt > now;
}

/** Whether the last failure, which the wait for the next try counts from, lies in what is the future now. */
function hasErrorInFuture({ lastError }: SubscriptionRecord, { now }: Clock): boolean {
  return lastError !== undefined && lastError.at > now + TOLERANCE_MS;
}

function waitsTooLong(record: SubscriptionRecord, grant: GrantRecord, clock: Clock): boolean {
  const isAttemptTooFar = isTooFar(grant.nextAttemptAt, clock) || isTooFar(grant.notBefore, clock);
  return (
    isAttemptTooFar ||
    isDeadlineTooLate(grant, clock) ||
    isFreshCallbackTooLate(record, grant, clock) ||
    isLateWindowTooLong(grant, clock)
  );
}

function isInFuture(at: number | undefined, { now }: Clock): boolean {
  return at !== undefined && at > now + TOLERANCE_MS;
}

/** Whether a hub would be asked under another callback later than after a denial, or after a wait of its own. */
function isFreshCallbackTooLate(
  record: SubscriptionRecord,
  { freshCallbackAt: askAfreshAt, advertisedHub }: GrantRecord,
  clock: Clock,
): boolean {
  const waits = hasErrorInFuture(record, clock)
    ? []
    : record.grants.filter((grant) => grant.advertisedHub === advertisedHub);
  const waitsUntil = waits.map(({ nextAttemptAt = 0, notBefore = 0 }) => Math.max(nextAttemptAt, notBefore));
  const latest = Math.max(clock.now + HUB_REFUSED.firstMs, ...waitsUntil) + TOLERANCE_MS;
  return askAfreshAt !== undefined && askAfreshAt > latest;
}

/** Whether a verification would be taken for the late answer to a request for longer than it ever is. */
function isLateWindowTooLong({ lateUntil }: GrantRecord, clock: Clock): boolean {
  return lateUntil !== undefined && lateUntil > clock.now + lateMs(clock) + TOLERANCE_MS;
}

function lateMs({ rules }: Clock): number {
  return lateVerificationMs(rules.verifyTimeoutSeconds, undefined);
}

/** Whether a hub would be given longer to verify than it ever is. */
function isDeadlineTooLate({ pending }: GrantRecord, { now, rules }: Clock): boolean {
  return pending !== undefined && pending.deadline > now + rules.verifyTimeoutSeconds * 1000 + TOLERANCE_MS;
}

function isTooFar(at: number | undefined, { now }: Clock): boolean {
  return at !== undefined && at > now + MAX_WAIT_MS + TOLERANCE_MS;
}
