import { askAfresh, mayAskAfresh } from './fresh-grant.js';
import { FAILOVER_AFTER, FAILOVERS_AT_ONCE, HUB_UNREACHABLE, retryWaitMs } from '../../retry-policy.js';
import { andThen, counted, leaving, noted, request, unchanged, withGrant } from '../changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { grantAt } from '../rules/reusable-grant.js';
import { guardedUntil, NOTHING_PLANNED } from '../rules/in-flight-guard.js';
import { verifyTimeoutMs } from '../rules/lease.js';
import { isHad, isPresent, isServed, isTaken, silentHubs, withoutPastSilence } from '../rules/current-grants.js';
import { withHold } from '../rules/publisher-retry-after.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { restOf } from '../rules/refusal-cooldown.js';
import { isAsking, isHeld, isOver, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** What discovery found is asked for where it is not there yet, and what works is renewed where it is found (PROTOCOL D10). */
export function discovered(
  record: SubscriptionRecord,
  { topic, hubs, feed }: Of<'discovered'>,
  context: TransitionContext,
): Transition {
  const found = { ...withoutPastSilence(record, context.now), topic, hubs, feed, ...NOTHING_PLANNED };
  if (!isAsking(found)) return unchanged(found);
  const told = { record: found, effects: moves(record, found, context) };
  return andThen(
    andThen(told, (next) => askForMissing(next, context)),
    (next) => renewDue(next, context),
  );
}

/** Without discovery, what is known from the last one has to do: what works is renewed where it is. */
export function discoveryFailed(
  record: SubscriptionRecord,
  { failure, hold }: Of<'discovery-failed'>,
  context: TransitionContext,
): Transition {
  const held = hold === undefined ? record : withHold(record, hold, context.now);
  const ended = { ...held, ...NOTHING_PLANNED };
  if (!isAsking(ended)) return unchanged(ended);
  const hook: Effect = { type: 'hook', name: 'failed', failure };
  if (isServed(ended, context)) {
    if (!ended.grants.some(isRenewalDue)) return unchanged(ended);
    return andThen({ record: noted(ended, failure), effects: [hook] }, (next) => renewDue(next, context));
  }
  const told = { record: counted(ended, failure, context.rules), effects: [hook] };
  return andThen(told, (failed) => {
    if (!isAsking(failed)) return unchanged(failed);
    const asked = failed.topic === undefined ? later(failed, context, hold?.until) : askForMissing(failed, context);
    return andThen(asked, (next) => renewDue(next, context));
  });
}

/** Asks the hubs that are to grant it and do not, by the service's rule. */
export function askForMissing(record: SubscriptionRecord, context: TransitionContext): Transition {
  if (!isAsking(record) || isServed(record, context)) return unchanged(record);
  return context.rules.hubs === 'all' ? askAll(record, context) : askNext(record, context);
}

/**
 * Asks the next advertised hub that has not been passed over in this round, nor is to be left alone; when the round is
 * over, it begins again later.
 */
export function askNext(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, callbackHeldUntil } = context;
  if (callbackHeldUntil !== undefined) return unchanged({ ...record, nextAttemptAt: callbackHeldUntil });
  const hubs = hubsToAsk(record, context);
  // What works, if badly, is renewed by its own schedule.
  if (hubs.length === 0 && hubsLeft(record).length > 0) return unchanged({ ...record, passedOver: [] });
  if (hubs.length === 0) return later({ ...record, passedOver: [] }, context);
  const hub = hubs.find((each) => (readyAt(record, each, context) ?? now) <= now);
  if (hub === undefined) return nextRound(record, context);
  return ask({ ...record, grants: record.grants.map(withoutSchedule) }, hub, context);
}

/** When a hub may be asked again, by what it answered last (epoch milliseconds); undefined where nothing speaks against it. */
function readyAt(record: SubscriptionRecord, hub: string, context: TransitionContext): number | undefined {
  const { notBefore = 0 } = grantAt(record, hub, context) ?? {};
  const at = Math.max(notBefore, restOf(record, { advertisedHub: hub, topic: record.topic ?? '' }, context).until);
  return at === 0 ? undefined : at;
}

/** Whether another hub may be asked again before a time. */
export function isOtherSooner(
  record: SubscriptionRecord,
  hub: string,
  at: number,
  context: TransitionContext,
): boolean {
  return record.hubs.some((other) => other !== hub && (readyAt(record, other, context) ?? Infinity) < at);
}

/** No hub is left to ask in this round: the next one begins when the first of them may be asked again. */
function nextRound(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hubs = hubsToAsk({ ...record, passedOver: [] }, context);
  const begun = { ...record, passedOver: record.passedOver.filter((hub) => !hubs.includes(hub)) };
  const waits = hubs.flatMap((hub) => readyAt(record, hub, context) ?? []);
  if (waits.length === 0) return later(begun, context);
  return unchanged({ ...begun, nextAttemptAt: Math.max(context.now, Math.min(...waits)) });
}

/** The advertised hubs that may be asked in this round, in their order. */
export function hubsLeft(record: SubscriptionRecord): readonly string[] {
  const silent = silentHubs(record);
  return record.hubs.filter((hub) => !record.passedOver.includes(hub) && !silent.includes(hub));
}

/** Those of them where nothing works that is renewed by its own schedule. */
export function hubsToAsk(record: SubscriptionRecord, context: TransitionContext): readonly string[] {
  return hubsLeft(record).filter((hub) => {
    const known = grantAt(record, hub, context);
    return known === undefined || !isWorking(known);
  });
}

/**
 * A hub is not to be asked now: the next advertised one is. Where there is none in this round, the first of them that may be
 * asked again is waited for.
 */
export function toNextHub(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const { now, random } = context;
  const passed = { ...record, passedOver: [...new Set([...record.passedOver, hub])] };
  if (hubsToAsk(passed, context).length === 0) return nextRound(passed, context);
  const further = passed.passedOver.length - FAILOVERS_AT_ONCE;
  if (further > 0) {
    // A long list of hubs that refuse is not gone through in one go: the publisher may have written anything into it.
    return unchanged({ ...passed, nextAttemptAt: now + retryWaitMs(further, random, HUB_UNREACHABLE) });
  }
  return askNext(passed, context);
}

/** Asks every advertised hub that neither grants it nor is being asked; each is asked again by its own schedule. */
function askAll(record: SubscriptionRecord, context: TransitionContext): Transition {
  let current = unchanged(record);
  for (const hub of record.hubs) {
    current = andThen(current, (reached) => {
      const known = grantAt(reached, hub, context);
      const isHere = (grant: GrantRecord): boolean => grant.advertisedHub === hub && isPresent(reached, grant, context);
      if (reached.grants.some((grant) => isHere(grant) && isTaken(grant, context.now))) return unchanged(reached);
      const notBefore = readyAt(reached, hub, context);
      if (notBefore === undefined || notBefore <= context.now) return ask(reached, hub, context);
      // A grant that is over has no schedule of its own.
      if (known !== undefined && !isOver(known))
        return unchanged(withGrant(reached, known.id, (grant) => ({ ...grant, nextAttemptAt: notBefore })));
      return unchanged({ ...reached, nextAttemptAt: Math.min(reached.nextAttemptAt ?? Infinity, notBefore) });
    });
  }
  return current;
}

/**
 * Renewals that came due are asked for. What has moved is renewed where it was only if it cannot be had at its new place,
 * and left where it is had there already.
 */
export function renewDue(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  let current = unchanged(record);
  for (const { id } of record.grants.filter(isRenewalDue)) {
    current = andThen(current, (reached) => {
      const grant = reached.grants.find((each) => each.id === id);
      if (grant === undefined || !isWorking(grant)) return unchanged(reached);
      const isElsewhere = !isPresent(reached, grant, context);
      if (isElsewhere && isHad(reached, context)) {
        const left = withGrant(reached, id, () => leaving(grant, now, true));
        return { record: left, effects: [{ type: 'request', grantId: id, mode: 'unsubscribe' }] };
      }
      const isMoving = isElsewhere && isFirstTry(reached, context);
      const isRotating = !isElsewhere && rules.rotateCallback === 'renewal' && hasNotFailed(grant);
      if (isRotating && mayAskAfresh(reached, grant, context)) return rotated(reached, grant, context);
      if (!isMoving)
        return request(withFreshSecret(asAdvertised(reached, grant), grant, context), id, 'subscribe', now);
      const guard = guardedUntil(now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
      return unchanged(withGrant(reached, id, (one) => ({ ...one, renewalDue: undefined, ...guard })));
    });
  }
  return current;
}

/** Whether this is the first try of a renewal: further ones ask for no more than the hub granted before. */
function hasNotFailed({ attempts, refusals = 0 }: GrantRecord): boolean {
  return attempts + refusals === 0;
}

/** `rotateSecret: 'renewal'`: the first request of each renewal carries another secret, further ones repeat it. */
function withFreshSecret(
  record: SubscriptionRecord,
  known: GrantRecord,
  { rules }: TransitionContext,
): SubscriptionRecord {
  if (rules.rotateSecret !== 'renewal' || !hasNotFailed(known)) return record;
  return withGrant(record, known.id, (grant) => ({ ...grant, freshSecret: true }));
}

/** Whether a present grant is being asked for, and nothing speaks against it yet. */
function isFirstTry(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, a success at one of them says nothing of the others.
  if (context.rules.hubs === 'failover' && record.attempts > 0) return false;
  const isBegun = (grant: GrantRecord): boolean =>
    hasNotFailed(grant) && grant.heldUntil === undefined && (grant.pending ?? grant.nextAttemptAt) !== undefined;
  return record.grants.some((grant) => isPresent(record, grant, context) && isBegun(grant));
}

function isRenewalDue({ renewalDue }: GrantRecord): boolean {
  return renewalDue === true;
}

/** Where a hub moved to, or its https form, does not answer: it is looked for again where the publisher says it is. */
function asAdvertised(record: SubscriptionRecord, { id, attempts, advertisedHub }: GrantRecord): SubscriptionRecord {
  if (attempts < FAILOVER_AFTER) return record;
  return withGrant(record, id, (grant) => ({ ...grant, hub: advertisedHub, hubSettled: false }));
}

function moves(before: SubscriptionRecord, after: SubscriptionRecord, context: TransitionContext): readonly Effect[] {
  const moved = before.grants.find(
    (grant) => isWorking(grant) && isPresent(before, grant, context) && !isPresent(after, grant, context),
  );
  if (moved === undefined) return [];
  const name = moved.topic === after.topic ? 'hub-moved' : 'topic-moved';
  return [{ type: 'hook', name, grantId: moved.id }];
}

function ask(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const known = grantAt(record, hub, context);
  const served = record.grants.findLast(({ path }) => path === known?.path);
  if (known === undefined || served !== known) return askAfresh(record, hub, context);
  const again = withGrant(record, known.id, (grant) => ({
    ...grant,
    state: isOver(grant) ? 'requested' : grant.state,
    callback: context.callbackOf(grant.path),
    endedAt: undefined,
  }));
  return request(asAdvertised(again, known), known.id, 'subscribe', context.now);
}

/** The hub is asked to deliver to another callback; should it not verify that in time, the grant is renewed as it is. */
function rotated(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const guard = guardedUntil(now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds));
  const waiting = withGrant(record, grant.id, (one) => ({ ...one, renewalDue: undefined, ...guard, attempts: 0 }));
  return askAfresh(waiting, grant.advertisedHub, context, grant);
}

function withoutSchedule(grant: GrantRecord): GrantRecord {
  return isHeld(grant) || grant.nextAttemptAt === undefined ? grant : { ...grant, nextAttemptAt: undefined };
}

function later(record: SubscriptionRecord, { now, random }: TransitionContext, notBefore = 0): Transition {
  const nextAttemptAt = Math.max(now + retryWaitMs(record.attempts, random, HUB_UNREACHABLE), notBefore);
  return unchanged({ ...record, nextAttemptAt });
}
