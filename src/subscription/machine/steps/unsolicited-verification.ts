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
 * The lease after a verification that may be forged. The lease never gets shorter. An extension lasts at most the last
 * granted duration, from now.
 */
export function extendedLease(grant: GrantRecord, newSeconds: number, { now, rules }: TransitionContext): Lease {
  const { leaseSeconds = grantedLease(undefined, rules.leaseSeconds, rules), expiresAt = 0, renewsAt } = grant;
  const seconds = Math.min(newSeconds, leaseSeconds);
  return { leaseSeconds, expiresAt: Math.max(expiresAt, now + seconds * 1000), renewsAt };
}

/**
 * An unsolicited verification may be forged. Such a verification never moves the expiry earlier and does not postpone
 * the planned renewal. Attempts and secrets stay unchanged (PROTOCOL V4).
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
  const elapsedMs = now - (grant.broughtForwardAt ?? -Infinity);
  const wasRecent = elapsedMs >= 0 && elapsedMs < BROUGHT_FORWARD_EVERY_MS;
  // The hub may already be requested under another callback, on the schedule of the successor.
  const successor = record.grants.find((other) => other.replaces === grant.id && !isOver(other));
  const mayRenewSooner = isActive && !wasRecent && successor === undefined;
  const isSooner = mayRenewSooner && planned < (grant.renewsAt ?? Infinity) && newSeconds < leaseSeconds;
  const nextRenewal = isSooner ? planned : (grant.renewsAt ?? planned);
  // A grant that works again is renewed neither at once nor before its predecessor: the verification may be forged.
  const { renewsAt: earliestRenewal = 0 } = predecessorOf(record, { ...grant, verifiedAt: undefined }) ?? {};
  const renewsAt = isActive ? nextRenewal : Math.max(planned, now + SAFETY_DELAY_MS, earliestRenewal);
  const active: GrantRecord = {
    ...withoutDenial(grant, now),
    ...lease,
    state: 'active',
    provisional: isActive ? grant.provisional : true,
    verifiedAt: now,
    // The hub may sign with a pending secret, so the grant is renewed before that secret lapses.
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
 * When to request the hub of an active grant next. Undefined for the renewal as planned. After a denial, the request
 * waits at least a minute and until the hub's cooldown ends. A stopped subscription also waits at least a minute.
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
