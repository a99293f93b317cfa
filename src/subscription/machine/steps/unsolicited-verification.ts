import { SAFETY_DELAY_MS, withGrant } from '../changes.js';
import { withoutDenial } from './on-hub-delivered.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { grantedLease, renewalTime } from '../rules/lease.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { cooldownOf } from '../rules/refusal-cooldown.js';
import { renewBeforeSecretLapse } from '../rules/secrets.js';
import { predecessorOf } from '../rules/successor.js';
import { stopReasonOnceVerified, hasUnsolicitedDenial, isOver, isWorking, plannedAttemptAt } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** A verification that nobody asked for brings a renewal forward once in so many milliseconds (PROTOCOL V4). */
const BROUGHT_FORWARD_EVERY_MS = 3_600_000;

export type Lease = Pick<GrantRecord, 'leaseSeconds' | 'expiresAt' | 'renewsAt'>;

/** A lease after a verification that may be forged: it never ends earlier, nor later than the one last granted would. */
export function extendedLease(grant: GrantRecord, newSeconds: number, { now, rules }: TransitionContext): Lease {
  const { leaseSeconds = grantedLease(undefined, rules.leaseSeconds, rules), expiresAt = 0, renewsAt } = grant;
  const seconds = Math.min(newSeconds, leaseSeconds);
  return { leaseSeconds, expiresAt: Math.max(expiresAt, now + seconds * 1000), renewsAt };
}

/**
 * A verification that nobody asked for may be forged: it never moves the expiry earlier, nor puts off what is planned, and
 * changes neither attempts nor secrets (PROTOCOL V4).
 */
export function onUnsolicitedVerification(
  record: SubscriptionRecord,
  grant: GrantRecord,
  event: EventOf<'verified'>,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const newSeconds = grantedLease(event.leaseSeconds, rules.leaseSeconds, rules);
  const isActive = grant.state === 'active';
  const lease = extendedLease(isActive ? grant : { ...grant, expiresAt: undefined }, newSeconds, context);
  const { leaseSeconds = newSeconds } = lease;
  const planned = renewalTime(now, Math.min(newSeconds, leaseSeconds), rules, random);
  const sinceThen = now - (grant.broughtForwardAt ?? -Infinity);
  const wasLately = sinceThen >= 0 && sinceThen < BROUGHT_FORWARD_EVERY_MS;
  // Its hub may be asked under another callback already, by a schedule of that grant's.
  const successor = record.grants.find((other) => other.replaces === grant.id && !isOver(other));
  const mayRenewSooner = isActive && !wasLately && successor === undefined;
  const isSooner = mayRenewSooner && planned < (grant.renewsAt ?? Infinity) && newSeconds < leaseSeconds;
  const nextRenewal = isSooner ? planned : (grant.renewsAt ?? planned);
  // A grant that works again is not renewed at once, nor before the one whose place it was to take: a forger may want that.
  const { renewsAt: notSooner = 0 } = predecessorOf(record, { ...grant, verifiedAt: undefined }) ?? {};
  const renewsAt = isActive ? nextRenewal : Math.max(planned, now + SAFETY_DELAY_MS, notSooner);
  const active: GrantRecord = {
    ...withoutDenial(grant, now),
    ...lease,
    state: 'active',
    provisional: isActive ? grant.provisional : true,
    verifiedAt: now,
    // The hub may sign with a pending secret: it is asked before that lapses.
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
 * When the hub of an active grant is asked next; undefined if that is the renewal as planned. After a denial that is a minute
 * later at the earliest, and after a refusal when its wait is over. A grant that was given up waits a minute as well.
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
