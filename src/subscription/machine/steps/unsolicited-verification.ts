import { SAFETY_DELAY_MS, withGrant } from '../record-changes.js';
import { withoutDenial } from './on-hub-delivered.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import { grantedLease, renewalTime } from '../rules/lease.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { cooldownOf } from '../rules/refusal-cooldown.js';
import { renewBeforeSecretLapse } from '../rules/secrets.js';
import { predecessorOf } from '../rules/successor.js';
import { stopReasonOnceVerified, hasUnsolicitedDenial, isOver, isWorking, plannedAttemptAt } from '../state.js';

/** An unsolicited verification brings a renewal forward at most once per this many milliseconds (PROTOCOL V4). */
const BROUGHT_FORWARD_EVERY_MS = 3_600_000;

export type Lease = Pick<GrantRecord, 'leaseSeconds' | 'expiresAt' | 'renewsAt'>;

/**
 * The lease after a verification that may be forged. It never ends earlier, nor later than the last granted lease
 * would.
 */
export function extendedLease(grant: GrantRecord, newSeconds: number, { now, rules }: TransitionContext): Lease {
  const { leaseSeconds = grantedLease(undefined, rules.leaseSeconds, rules), expiresAt = 0, renewsAt } = grant;
  const seconds = Math.min(newSeconds, leaseSeconds);
  return { leaseSeconds, expiresAt: Math.max(expiresAt, now + seconds * 1000), renewsAt };
}

/**
 * An unsolicited verification may be forged. It never moves the expiry earlier, postpones nothing that is planned, and
 * changes neither attempts nor secrets (PROTOCOL V4).
 */
export function onUnsolicitedVerification(
  record: SubscriptionRecord,
  grant: GrantRecord,
  input: InputOf<'verified'>,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const newSeconds = grantedLease(input.leaseSeconds, rules.leaseSeconds, rules);
  const isActive = grant.state === 'active';
  const lease = extendedLease(isActive ? grant : { ...grant, expiresAt: undefined }, newSeconds, context);
  const { leaseSeconds = newSeconds } = lease;
  const planned = renewalTime(now, Math.min(newSeconds, leaseSeconds), rules, random);
  const sinceThen = now - (grant.broughtForwardAt ?? -Infinity);
  const wasLately = sinceThen >= 0 && sinceThen < BROUGHT_FORWARD_EVERY_MS;
  // The hub may already be requested under another callback, on the schedule of that grant.
  const successor = record.grants.find((other) => other.replaces === grant.id && !isOver(other));
  const mayRenewSooner = isActive && !wasLately && successor === undefined;
  const isSooner = mayRenewSooner && planned < (grant.renewsAt ?? Infinity) && newSeconds < leaseSeconds;
  const nextRenewal = isSooner ? planned : (grant.renewsAt ?? planned);
  // A grant that works again is not renewed at once, nor before its predecessor: a forger may want that.
  const { renewsAt: notSooner = 0 } = predecessorOf(record, { ...grant, verifiedAt: undefined }) ?? {};
  const renewsAt = isActive ? nextRenewal : Math.max(planned, now + SAFETY_DELAY_MS, notSooner);
  const active: GrantRecord = {
    ...withoutDenial(grant, now),
    ...lease,
    state: 'active',
    provisional: isActive ? grant.provisional : true,
    verifiedAt: now,
    // The hub may sign with a pending secret, so it is requested before that lapses.
    renewsAt: Math.min(renewsAt, renewBeforeSecretLapse(grant.secrets, now)),
    broughtForwardAt: isSooner ? now : grant.broughtForwardAt,
    nextAttemptAt: isActive
      ? nextAttemptAfterVerification(record, grant, context)
      : (plannedAttemptAt(record, grant, now) ?? successor?.nextAttemptAt),
    endedAt: undefined,
  };
  return {
    record: { ...withGrant(record, grant.id, () => active), stoppedBecause: stopReasonOnceVerified(record) },
    effects: [{ type: 'hook', name: isWorking(grant) ? 'renewed' : 'verified', grantId: grant.id }],
  };
}

/**
 * When the hub of an active grant is requested next; undefined for the renewal as planned. After a denial that is at
 * least a minute later, and after a refusal when its wait is over. Once stopped, it is at least a minute as well.
 */
function nextAttemptAfterVerification(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): number | undefined {
  const { now } = context;
  const { nextAttemptAt } = withoutDenial(grant, now);
  if (record.stoppedBecause !== undefined)
    return Math.max(now + SAFETY_DELAY_MS, nextAttemptAt ?? 0, grant.notBefore ?? 0);
  if (!hasUnsolicitedDenial(grant)) return nextAttemptAt;
  const until = Math.max((grant.deniedAt ?? now) + SAFETY_DELAY_MS, cooldownOf(record, grant, context).until);
  return (nextAttemptAt ?? grant.renewsAt ?? Infinity) < until ? until : nextAttemptAt;
}
