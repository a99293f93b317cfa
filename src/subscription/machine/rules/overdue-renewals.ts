import { renewalTime } from './lease.js';
import type { TransitionContext } from '../transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { isBeingReplaced, hasUnsolicitedDenial, isWorking } from '../state.js';

/** Renewals that came due while the process was down are spread over at most this many milliseconds. */
const MAX_SPREAD_MS = 30_000;

/** Whether the renewal of an active grant is due and no request is pending. */
export function isOverdue(record: SubscriptionRecord, grant: GrantRecord, { now }: TransitionContext): boolean {
  const { pending, nextAttemptAt, renewsAt, expiresAt = 0, freshCallbackAt } = grant;
  // A grant is not renewed while its hub is requested under another callback.
  const isReplaced = hasUnsolicitedDenial(grant) || freshCallbackAt !== undefined || isBeingReplaced(record, grant);
  const at = nextAttemptAt ?? (isReplaced ? Infinity : (renewsAt ?? now));
  return grant.state === 'active' && pending === undefined && at <= now && expiresAt > now;
}

/** Brings renewals forward that were planned later than `maxRenewalSeconds` allows now (PROTOCOL V2). */
export function withMaxRenewal(record: SubscriptionRecord, { random, rules }: TransitionContext): SubscriptionRecord {
  const isTooLate = ({ renewsAt = 0, verifiedAt = 0, leaseSeconds }: GrantRecord): boolean =>
    leaseSeconds !== undefined && renewsAt - verifiedAt > rules.maxRenewalSeconds * 1000;
  if (!record.grants.some(isTooLate)) return record;
  const grants = record.grants.map((grant) => {
    const { verifiedAt = 0, leaseSeconds = 0 } = grant;
    return isTooLate(grant) ? { ...grant, renewsAt: renewalTime(verifiedAt, leaseSeconds, rules, random) } : grant;
  });
  return { ...record, grants };
}

/** Spreads overdue renewals over time, so that the hubs do not get all requests at once (PROTOCOL L4). */
export function spreadOverdueRenewals(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  const { now, random } = context;
  return {
    ...record,
    grants: record.grants.map((grant) => {
      if (!isOverdue(record, grant, context)) return grant;
      const room = Math.min(MAX_SPREAD_MS, ((grant.expiresAt ?? now) - now) / 4);
      return { ...grant, isRenewalStarted: undefined, nextAttemptAt: now + Math.floor(random * room) };
    }),
  };
}

/** Renewals still owed after a restart are spread over this many milliseconds (PROTOCOL C7). */
const OWED_SPREAD_MS = 600_000;

/** Schedules the renewals owed for refused content. A renewal planned sooner stays as planned. */
export function withOwedRenewal(
  record: SubscriptionRecord,
  { now, random }: Pick<TransitionContext, 'now' | 'random'>,
): SubscriptionRecord {
  if (record.renewalOwed !== true) return record;
  const at = now + Math.floor(random * OWED_SPREAD_MS);
  const grants = record.grants.map((grant) => {
    const isPlannedSooner = (grant.nextAttemptAt ?? grant.renewsAt ?? Infinity) <= at;
    const isIdle = isWorking(grant) && grant.pending === undefined && grant.nextAttemptAt === undefined;
    return isIdle && !isPlannedSooner ? { ...grant, nextAttemptAt: at } : grant;
  });
  return { ...record, renewalOwed: undefined, grants };
}
