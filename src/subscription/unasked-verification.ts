import { SAFETY_MS, withGrant } from './changes.js';
import { undenied } from './denial-undone.js';
import type { SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { grantedLease, renewalTime } from './lease.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { beforeLapse } from './secrets.js';
import { holdOnceVerified, isOver, isWorking, plannedAttempt } from './state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** A verification that nobody asked for brings a renewal forward once in so many milliseconds (PROTOCOL V4). */
const BROUGHT_FORWARD_EVERY_MS = 3_600_000;

export type Lease = Pick<GrantRecord, 'leaseSeconds' | 'expiresAt' | 'renewsAt'>;

/** A lease after a verification that may be forged: it never ends earlier, nor later than the one last granted would. */
export function extended(grant: GrantRecord, givenSeconds: number, { now, rules }: TransitionContext): Lease {
  const { leaseSeconds = grantedLease(undefined, rules.leaseSeconds, rules), expiresAt = 0, renewsAt } = grant;
  const seconds = Math.min(givenSeconds, leaseSeconds);
  return { leaseSeconds, expiresAt: Math.max(expiresAt, now + seconds * 1000), renewsAt };
}

/**
 * A verification that nobody asked for may be forged: it never moves the expiry earlier, nor puts off what is planned, and
 * changes neither attempts nor secrets (PROTOCOL V4).
 */
export function verifiedUnasked(
  record: SubscriptionRecord,
  grant: GrantRecord,
  event: Of<'verified'>,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const given = grantedLease(event.leaseSeconds, rules.leaseSeconds, rules);
  const isActive = grant.state === 'active';
  const lease = extended(isActive ? grant : { ...grant, expiresAt: undefined }, given, context);
  const { leaseSeconds = given } = lease;
  const planned = renewalTime(now, Math.min(given, leaseSeconds), rules, random);
  const sinceThen = now - (grant.broughtForwardAt ?? -Infinity);
  const wasLately = sinceThen >= 0 && sinceThen < BROUGHT_FORWARD_EVERY_MS;
  // Its hub may be asked under another callback already, by a schedule of that grant's.
  const successor = record.grants.find((other) => other.replaces === grant.id && !isOver(other));
  const mayRenewSooner = isActive && !wasLately && successor === undefined;
  const isSooner = mayRenewSooner && planned < (grant.renewsAt ?? Infinity) && given < leaseSeconds;
  const goingOn = isSooner ? planned : (grant.renewsAt ?? planned);
  // What is taken up again is not renewed at once: that may have been the aim.
  const renewsAt = isActive ? goingOn : Math.max(planned, now + SAFETY_MS);
  const active: GrantRecord = {
    ...undenied(grant, now),
    ...lease,
    state: 'active',
    provisional: isActive ? grant.provisional : true,
    verifiedAt: now,
    // What the hub may take for the secret may be a pending one: it is asked before that is not accepted any more.
    renewsAt: Math.min(renewsAt, beforeLapse(grant.secrets, now)),
    broughtForwardAt: isSooner ? now : grant.broughtForwardAt,
    nextAttemptAt: isActive
      ? goneOnWith(record, grant, now)
      : (plannedAttempt(record, grant, now) ?? successor?.nextAttemptAt),
    endedAt: undefined,
  };
  return {
    record: { ...withGrant(record, grant.id, () => active), hold: holdOnceVerified(record) },
    effects: [{ type: 'hook', name: isWorking(grant) ? 'renewed' : 'verified', grantId: grant.id }],
  };
}

/** When what works is asked for next. Where it was given up, its hub is left alone for as long as it wanted, and a minute. */
function goneOnWith(record: SubscriptionRecord, grant: GrantRecord, now: number): number | undefined {
  const { nextAttemptAt } = undenied(grant, now);
  if (record.hold === undefined) return nextAttemptAt;
  return Math.max(now + SAFETY_MS, nextAttemptAt ?? 0, grant.notBefore ?? 0);
}
