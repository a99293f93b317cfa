import type { TransitionContext } from '../transition-types.js';
import { lateVerificationMs } from './lease.js';
import { maxPollWaitMs } from '../fetches/poll-plan.js';
import type { CatchUpRecord } from '../../record/fetch-records.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { HUB_REFUSED, MAX_RETRY_AFTER_MS, MAX_WAIT_MS, TOPIC_FETCH } from '../../retry-policy.js';

/** Clock corrections up to this many milliseconds need no action. */
const TOLERANCE_MS = 60_000;

/** A poll that waits longer than planned by less than this is ignored, in milliseconds. */
const POLL_TOLERANCE_MS = 1_000;

/** Grant fields with times in the past. A value in the future means that the clock was set back. */
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
 * Whether a subscription stores times from before the clock was set back. By the new clock, the subscription would wait
 * longer than planned, and a lease would seem to last longer than at the hub.
 */
export function isAffectedByClockSetBack(record: SubscriptionRecord, clock: Clock): boolean {
  const { grants, nextAttemptAt } = record;
  const isGrantAffected = grants.some(
    (grant) =>
      isLeaseInFuture(grant, clock) ||
      waitsTooLong(record, grant, clock) ||
      PAST_TIMES.some((name) => isInFuture(grant[name], clock)),
  );
  const isFetchAffected = isCatchUpTooLate(record, clock) || isPollTooLate(record, clock);
  return isGrantAffected || isFetchAffected || hasErrorInFuture(record, clock) || isTooFar(nextAttemptAt, clock);
}

/** Corrects times that are too far ahead because the clock was set back. Planned work becomes due now. */
export function withClockSetBackCorrected(record: SubscriptionRecord, clock: Clock): SubscriptionRecord {
  if (!isAffectedByClockSetBack(record, clock)) return record;
  const { now } = clock;
  const { lastError } = record;
  const isErrorInFuture = hasErrorInFuture(record, clock);
  const isTooLate = (at: number): boolean => at > now && (isErrorInFuture || isTooFar(at, clock));
  const dueNow = (at: number | undefined): number | undefined => (at !== undefined && isTooLate(at) ? now : at);
  return {
    ...record,
    // Moved to now. Otherwise this failure would also cut later waits short.
    lastError: isErrorInFuture && lastError !== undefined ? { ...lastError, at: now } : lastError,
    nextAttemptAt: dueNow(record.nextAttemptAt),
    ...(isCatchUpTooLate(record, clock) ? { catchUp: catchUpSooner(record.catchUp, now) } : {}),
    ...(isPollTooLate(record, clock) ? { poll: { ...record.poll, at: now } } : {}),
    grants: record.grants.map((grant) => ({
      ...grant,
      ...Object.fromEntries(PAST_TIMES.flatMap((name) => (isInFuture(grant[name], clock) ? [[name, now]] : []))),
      freshCallbackAt: isFreshCallbackTooLate(record, grant, clock) ? now : grant.freshCallbackAt,
      lateUntil: isLateWindowTooLong(grant, clock) ? now + lateMs(clock) : grant.lateUntil,
      // By the new clock, the lease began in the future. Only the hub knows when the lease ends.
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
  // A tenth of the lease: less than the reserve for further tries.
  const tolerance = Math.min(TOLERANCE_MS, leaseSeconds * 100);
  return state === 'active' && verifiedAt > now + tolerance && renewsAt > now;
}

/** Whether the last failure lies in the future by the new clock. The wait for the next try counts from that failure. */
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

/**
 * Whether the request under a fresh callback is planned too late: later than the wait after a denial, and later than
 * all waits of the grant's hub.
 */
function isFreshCallbackTooLate(
  record: SubscriptionRecord,
  { freshCallbackAt, advertisedHub }: GrantRecord,
  clock: Clock,
): boolean {
  const waits = hasErrorInFuture(record, clock)
    ? []
    : record.grants.filter((grant) => grant.advertisedHub === advertisedHub);
  const waitsUntil = waits.map(({ nextAttemptAt = 0, notBefore = 0 }) => Math.max(nextAttemptAt, notBefore));
  const latest = Math.max(clock.now + HUB_REFUSED.firstMs, ...waitsUntil) + TOLERANCE_MS;
  return freshCallbackAt !== undefined && freshCallbackAt > latest;
}

/** Whether the window for a late verification is longer than the rules allow. */
function isLateWindowTooLong({ lateUntil }: GrantRecord, clock: Clock): boolean {
  return lateUntil !== undefined && lateUntil > clock.now + lateMs(clock) + TOLERANCE_MS;
}

function lateMs({ rules }: Clock): number {
  return lateVerificationMs(rules.verifyTimeoutSeconds, undefined);
}

/** Whether the deadline gives the hub more time to verify than the rules allow. */
function isDeadlineTooLate({ pending }: GrantRecord, { now, rules }: Clock): boolean {
  return pending !== undefined && pending.deadline > now + rules.verifyTimeoutSeconds * 1000 + TOLERANCE_MS;
}

/** Whether a catch-up was planned by the old clock, and would wait too long by the new one. */
function isCatchUpTooLate(record: SubscriptionRecord, clock: Clock): boolean {
  const { at = 0, requestedAt = 0 } = record.catchUp ?? {};
  if (isInFuture(requestedAt, clock)) return true;
  return at > clock.now + TOPIC_FETCH.capMs + TOLERANCE_MS && !isRetryAfter(record, at, clock);
}

function catchUpSooner(plan: CatchUpRecord | undefined, now: number): CatchUpRecord | undefined {
  if (plan === undefined) return undefined;
  const at = plan.at === undefined ? undefined : Math.min(plan.at, now + TOPIC_FETCH.capMs);
  return { ...plan, at, requestedAt: Math.min(plan.requestedAt, now) };
}

/** Whether the next poll was planned by the old clock, and would wait too long by the new one. */
function isPollTooLate(record: SubscriptionRecord, clock: Clock): boolean {
  const { poll } = record;
  if (poll?.at === undefined) return false;
  const latest = clock.now + maxPollWaitMs(poll, clock.rules) + POLL_TOLERANCE_MS;
  return poll.at > latest && !isRetryAfter(record, poll.at, clock);
}

/** Whether a publisher's `Retry-After` explains a long wait. */
function isRetryAfter({ publisherRetryAfters = [] }: SubscriptionRecord, at: number, { now }: Clock): boolean {
  return publisherRetryAfters.some(({ until }) => until >= at && until <= now + MAX_RETRY_AFTER_MS);
}

function isTooFar(at: number | undefined, { now }: Clock): boolean {
  return at !== undefined && at > now + MAX_WAIT_MS + TOLERANCE_MS;
}
