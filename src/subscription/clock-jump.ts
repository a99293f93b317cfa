import type { TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';

/** Clocks are put right by so much without anything to be done about it, in milliseconds. */
const TOLERANCE_MS = 60_000;

/** No try waits for longer (PROTOCOL L2, S3), in milliseconds. */
const LONGEST_WAIT_MS = 86_400_000;

type Clock = Pick<TransitionContext, 'now' | 'rules'>;

/**
 * Whether a subscription was scheduled by a clock that has been set back since: by this one it would wait for longer than
 * was meant, and a lease would seem to last for longer than its hub counts it.
 */
export function isScheduledByAnotherClock(record: SubscriptionRecord, clock: Clock): boolean {
  const { grants, nextAttemptAt } = record;
  const isPutOff = grants.some((grant) => isAhead(grant, clock) || waitsTooLong(grant, clock));
  return isPutOff || hasFailedAhead(record, clock) || isTooFar(nextAttemptAt, clock);
}

/** The record with what a clock that was set back has put off due now. */
export function byThisClock(record: SubscriptionRecord, clock: Clock): SubscriptionRecord {
  if (!isScheduledByAnotherClock(record, clock)) return record;
  const { now } = clock;
  const { lastError } = record;
  const isFailedAhead = hasFailedAhead(record, clock);
  const isOff = (at: number): boolean => at > now && (isFailedAhead || isTooFar(at, clock));
  const sooner = (at: number | undefined): number | undefined => (at !== undefined && isOff(at) ? now : at);
  return {
    ...record,
    // What it made wait is not made to wait by it twice.
    lastError: isFailedAhead && lastError !== undefined ? { ...lastError, at: now } : lastError,
    nextAttemptAt: sooner(record.nextAttemptAt),
    grants: record.grants.map((grant) => ({
      ...grant,
      // Its lease began in what is the future now: only its hub can say how long it lasts.
      renewsAt: isAhead(grant, clock) ? now : grant.renewsAt,
      nextAttemptAt: sooner(grant.nextAttemptAt),
      notBefore: sooner(grant.notBefore),
      pending: isLate(grant, clock) && grant.pending ? { ...grant.pending, deadline: now } : grant.pending,
    })),
  };
}

function isAhead({ state, leaseSeconds = 0, verifiedAt = 0, renewsAt = 0 }: GrantRecord, { now }: Clock): boolean {
  // A tenth of a lease: less than is kept for further tries.
  const tolerance = Math.min(TOLERANCE_MS, leaseSeconds * 100);
  return state === 'active' && verifiedAt > now + tolerance && renewsAt > now;
}

/** Whether the last failure, which the wait for the next try counts from, lies in what is the future now. */
function hasFailedAhead({ lastError }: SubscriptionRecord, { now }: Clock): boolean {
  return lastError !== undefined && lastError.at > now + TOLERANCE_MS;
}

function waitsTooLong(grant: GrantRecord, clock: Clock): boolean {
  return isTooFar(grant.nextAttemptAt, clock) || isTooFar(grant.notBefore, clock) || isLate(grant, clock);
}

/** Whether a hub would be given longer to verify than it ever is. */
function isLate({ pending }: GrantRecord, { now, rules }: Clock): boolean {
  return pending !== undefined && pending.deadline > now + rules.verifyTimeoutSeconds * 1000 + TOLERANCE_MS;
}

function isTooFar(at: number | undefined, { now }: Clock): boolean {
  return at !== undefined && at > now + LONGEST_WAIT_MS + TOLERANCE_MS;
}
