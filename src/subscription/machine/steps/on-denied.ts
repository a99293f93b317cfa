import { toNextHub } from './on-discovered.js';
import { attempted, noted, unchanged, withGrant } from '../changes.js';
import { refusalWaitMs } from '../../retry-policy.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { grantAt, keepsItsCallback } from '../rules/reusable-grant.js';
import { isPresent, isServed } from '../rules/current-grants.js';
import { notBefore, predecessorOf, withoutSuccessor } from '../rules/successor.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { oneMore, restOf } from '../rules/refusal-cooldown.js';
import { isAsked, isAsking, isDeniedUnasked, isOpen, isOver, isPutOff, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Within so many milliseconds of a denial, another one for the same grant changes nothing. */
const SAME_DENIAL_MS = 60_000;

/** With a single callback, unasked denials lead to at most one request per this many milliseconds. */
const QUESTIONED_EVERY_MS = 3_600_000;

/** How long content is accepted after an unasked denial where the grant has no lease, in milliseconds. */
const WITHOUT_LEASE_MS = 86_400_000;

/** Whether a denial of a grant says anything that was not said in the last minute. */
export function isNewDenial(grant: GrantRecord, now: number): boolean {
  if (isOver(grant)) return false;
  if (isAsked(grant) && grant.pending?.denied !== true && grant.pending?.verified !== true) return true;
  const { deniedAt = -Infinity } = grant;
  return now < deniedAt || now - deniedAt >= SAME_DENIAL_MS;
}

/**
 * The hub denied, or somebody who knows the callback says so (PROTOCOL N1). A request that is open fails at its deadline
 * unless it is verified until then. A denial that answers no request of ours is checked first.
 */
export function denied(record: SubscriptionRecord, event: Of<'denied'>, context: TransitionContext): Transition {
  const { now } = context;
  const { grantId, failure } = event;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isNewDenial(grant, now)) return unchanged(record);
  // A hub that is left says nothing of what is wanted; that it denied matters for how it answers.
  if (grant.superseded === true || grant.state === 'unsubscribing') {
    return unchanged(withGrant(record, grantId, () => ({ ...grant, deniedAt: now })));
  }
  const told: Transition = {
    record: noted(record, failure),
    effects: [{ type: 'hook', name: 'denied', grantId, failure }],
  };
  const next = isOpen(grant, now) ? deniedRequest : deniedUnasked;
  const reached = next(told.record, grant, context);
  return { record: reached.record, effects: [...told.effects, ...reached.effects] };
}

/**
 * A request of ours is open. What works goes on; where nothing does, the next advertised hub is asked.
 *
 * Quirk(websubhub.com): denies when its verification met a 502. We keep the grant that works, and the request open until its
 * deadline (PROTOCOL N1).
 */
function deniedRequest(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, random } = context;
  const { pending } = grant;
  const again = now + refusalWaitMs(oneMore(record, grant, context), random);
  if (pending === undefined) return deniedLate(record, grant, again, context);
  const askedAgainAt = Math.max(pending.deadline, again);
  const waiting = withGrant(record, grant.id, () => ({
    ...grant,
    deniedAt: now,
    notBefore: askedAgainAt,
    lateUntil: undefined,
    pending: { ...pending, denied: true },
  }));
  const predecessor = predecessorOf(waiting, grant);
  const reached = predecessor === undefined ? waiting : notBefore(waiting, predecessor, askedAgainAt);
  return isEnough(reached, context) ? unchanged(reached) : toNextHub(reached, grant.advertisedHub, context);
}

/** Whether no other hub is to be asked instead. */
function isEnough(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, each has a schedule of its own.
  const isNoneInstead = context.rules.hubs === 'all' || !isAsking(record);
  return isNoneInstead || record.grants.some(isWorking) || isServed(record, context);
}

/** The attempt has failed already: this was the hub's late answer to it. */
function deniedLate(
  record: SubscriptionRecord,
  grant: GrantRecord,
  again: number,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const { askedAt = 0, deniedAt = -Infinity } = grant;
  // It has said so of this request before.
  if (deniedAt >= askedAt) return unchanged(withGrant(record, grant.id, () => ({ ...grant, deniedAt: now })));
  const refused = {
    ...grant,
    deniedAt: now,
    isDenied: true,
    refusals: oneMore(record, grant, context),
    unanswered: undefined,
    notBefore: Math.max(grant.notBefore ?? 0, again),
  };
  const reached = withGrant(record, grant.id, () => refused);
  const predecessor = predecessorOf(reached, refused);
  if (predecessor !== undefined) return unchanged(withoutSuccessor(reached, refused, predecessor, again, context));
  if (isToStop(reached, context)) return unchanged(heldAsDenied(reached));
  if (isWorking(refused) || rules.hubs === 'all') {
    const { nextAttemptAt = 0 } = refused;
    return unchanged(scheduled(reached, refused, Math.max(nextAttemptAt, again)));
  }
  const until = Math.max(refused.notBefore, refused.nextAttemptAt ?? 0);
  const waiting = withGrant(reached, grant.id, (one) => ({ ...one, notBefore: until, nextAttemptAt: undefined }));
  if (!isAsking(waiting) || isServed(waiting, context)) return unchanged(waiting);
  return toNextHub(waiting, grant.advertisedHub, context);
}

/** The deadline of a request that was denied has come, and no verification. */
export function deniedAttemptFailed(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Transition {
  const { now, random, rules } = context;
  const { state } = grant;
  const refusals = oneMore(record, grant, context);
  const again = Math.max(now, grant.notBefore ?? now + refusalWaitMs(refusals, random));
  const failed: GrantRecord = {
    ...grant,
    pending: undefined,
    unanswered: undefined,
    isDenied: true,
    refusals,
    state: state === 'verifying' || state === 'requested' ? 'failed' : state,
  };
  const reached = withGrant(record, grant.id, () => failed);
  const predecessor = predecessorOf(reached, failed);
  if (predecessor !== undefined) return unchanged(withoutSuccessor(reached, failed, predecessor, again, context));
  if (isToStop(reached, context)) {
    return unchanged(heldAsDenied(attempted(reached, { ...rules, maxAttempts: Infinity })));
  }
  // Quirk(Ballerina, WSO2): deny every renewal with "already registered". We keep the grant, count no failed attempt and ask no
  // other hub (PROTOCOL N1).
  if (isWorking(failed)) return unchanged(scheduled(reached, failed, again));
  const counted = attempted(reached, rules, grant.id);
  if (!isAsking(counted) || !isPresent(counted, failed, context)) return unchanged(counted);
  if (rules.hubs === 'all') return unchanged(scheduled(counted, failed, again));
  const kept = withGrant(counted, grant.id, (one) => ({ ...one, notBefore: again }));
  if (isServed(kept, context)) return unchanged(kept);
  return toNextHub(kept, grant.advertisedHub, context);
}

function scheduled(record: SubscriptionRecord, { id }: GrantRecord, nextAttemptAt: number): SubscriptionRecord {
  // A renewal that is being discovered for waits, too.
  return withGrant(record, id, (grant) => ({
    ...grant,
    nextAttemptAt,
    notBefore: nextAttemptAt,
    renewalDue: undefined,
  }));
}

/** `afterDenial: 'stop'`: whether every advertised hub has denied, and the subscription is not held for another reason. */
function isToStop(record: SubscriptionRecord, context: TransitionContext): boolean {
  if (context.rules.afterDenial !== 'stop' || !isAsking(record)) return false;
  const hasDenied = (hub: string): boolean => {
    const { isDenied = false, pending } = grantAt(record, hub, context) ?? {};
    return isDenied && pending === undefined;
  };
  return record.hubs.length > 0 && record.hubs.every(hasDenied);
}

/** `afterDenial: 'stop'`: nothing is asked before `retry(id)`. What works goes on until its lease ends. */
function heldAsDenied(record: SubscriptionRecord): SubscriptionRecord {
  const grants = record.grants.map((grant) =>
    grant.state === 'unsubscribing' ? grant : { ...grant, nextAttemptAt: undefined, askAfreshAt: undefined },
  );
  return { ...record, grants, hold: 'denied', nextAttemptAt: undefined };
}

/**
 * Nothing is open, so anyone who knows the callback may have sent it: content is still accepted, and the hub is asked
 * under another callback, which only it will know.
 */
export function deniedUnasked(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, random } = context;
  if (grant.state !== 'active') {
    return unchanged(withGrant(record, grant.id, () => ({ ...grant, deniedAt: now })));
  }
  const isQuestionable = isAsking(record) && isPresent(record, grant, context);
  const asked = isQuestionable ? question(record, grant, context) : undefined;
  const reached = withGrant(record, grant.id, () => ({
    ...grant,
    deniedAt: now,
    deniedUnasked: true,
    denialAnswered: undefined,
    // Without another callback the renewal is the question.
    renewalDue: keepsItsCallback(grant, context) ? grant.renewalDue : undefined,
    // How long its hub is left alone is to be known should the denial be undone.
    notBefore: isPutOff(grant) ? grant.nextAttemptAt : grant.notBefore,
    nextAttemptAt: undefined,
    expiresAt: grant.expiresAt ?? now + WITHOUT_LEASE_MS,
    ...asked,
  }));
  const again = now + refusalWaitMs(1, random);
  const predecessor = record.grants.find(({ id }) => id === grant.replaces);
  if (predecessor !== undefined && isWorking(predecessor)) {
    // The predecessor's renewal waited for this grant, and may be overdue. It is put off once.
    const isPlanned = predecessor.nextAttemptAt !== undefined;
    return unchanged(isPlanned ? reached : notBefore(reached, predecessor, again));
  }
  return isAsking(reached) && !isQuestionable && !isServed(reached, context)
    ? unchanged({ ...reached, nextAttemptAt: reached.nextAttemptAt ?? Math.max(again, backoffUntil(record, grant)) })
    : unchanged(reached);
}

/** When and how its hub is asked what it means; undefined where that is under way. */
export function question(
  record: SubscriptionRecord,
  grant: GrantRecord,
  context: TransitionContext,
): Partial<GrantRecord> | undefined {
  const { now, random } = context;
  // A hub that fails or refuses is not asked sooner because somebody denied.
  const waitsUntil = Math.max(backoffUntil(record, grant), restOf(record, grant, context).until);
  const at = Math.max(now + refusalWaitMs(1, random), waitsUntil);
  if (keepsItsCallback(grant, context)) {
    const questionAt = Math.max(at, (grant.questionedAt ?? -Infinity) + QUESTIONED_EVERY_MS);
    // A request that was planned earlier is not put off.
    return { nextAttemptAt: Math.min(questionAt, grant.nextAttemptAt ?? grant.renewsAt ?? Infinity) };
  }
  return isAskedBeside(record, grant, context) ? undefined : { askAfreshAt: grant.askAfreshAt ?? at };
}

/** The latest time at which a grant at this hub was to be tried again after failures (epoch milliseconds); 0 if none was. */
function backoffUntil({ grants }: SubscriptionRecord, { advertisedHub }: GrantRecord): number {
  const failing = grants.filter((grant) => {
    const isHere = grant.advertisedHub === advertisedHub;
    const isWanted = !isOver(grant) && grant.superseded !== true && grant.state !== 'unsubscribing';
    return isHere && isWanted && grant.attempts + (grant.refusals ?? 0) > 0;
  });
  return Math.max(0, ...failing.flatMap(({ nextAttemptAt = 0, notBefore = 0 }) => [nextAttemptAt, notBefore]));
}

/** Whether its hub grants, or is being asked, under another callback already. */
function isAskedBeside(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): boolean {
  const { id, advertisedHub } = grant;
  return record.grants.some((other) => {
    if (other.id === id || other.advertisedHub !== advertisedHub || isOver(other)) return false;
    if (isDeniedUnasked(other) || !isPresent(record, other, context)) return false;
    const isGranted = other.state === 'active' && other.provisional !== true;
    return isGranted || (other.pending ?? other.nextAttemptAt) !== undefined;
  });
}
