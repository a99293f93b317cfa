import { backoffMs, FAILOVER_AFTER, FAILURE_BACKOFF } from './backoff.js';
import { andThen, counted, leaving, noted, request, unchanged, withGrant } from './changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { grantAt, takenOver } from './grant-at.js';
import { verifyTimeoutMs } from './lease.js';
import { hubsWanted, isBarred, isHad, isPresent, isServed, isTaken } from './presence.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isAsking, isHeld, isOver, isWorking } from './state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** What discovery found is asked for where it is not there yet, and what works is renewed where it is found (PROTOCOL D10). */
export function discovered(
  record: SubscriptionRecord,
  { topic, hubs }: Of<'discovered'>,
  context: TransitionContext,
): Transition {
  const found = { ...record, topic, hubs, nextAttemptAt: undefined };
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
  { failure }: Of<'discovery-failed'>,
  context: TransitionContext,
): Transition {
  const ended = { ...record, nextAttemptAt: undefined };
  if (!isAsking(ended)) return unchanged(ended);
  const hook: Effect = { type: 'hook', name: 'failed', failure };
  if (isServed(ended, context)) {
    if (!ended.grants.some(isRenewalDue)) return unchanged(ended);
    return andThen({ record: noted(ended, failure), effects: [hook] }, (next) => renewDue(next, context));
  }
  const told = { record: counted(ended, failure, context.rules), effects: [hook] };
  return andThen(told, (failed) => {
    if (!isAsking(failed)) return unchanged(failed);
    const asked = failed.topic === undefined ? later(failed, context) : askForMissing(failed, context);
    return andThen(asked, (next) => renewDue(next, context));
  });
}

/** Asks the hubs that are to grant it and do not, by the service's rule. */
export function askForMissing(record: SubscriptionRecord, context: TransitionContext): Transition {
  if (!isAsking(record) || isServed(record, context)) return unchanged(record);
  return context.rules.hubs === 'all' ? askAll(record, context) : askNext(record, context);
}

/**
 * Asks the next advertised hub that has neither denied nor been passed over in this round; when the round is over, it
 * begins again later. Holds where all have denied.
 */
export function askNext(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, callbackHeldUntil } = context;
  if (hubsWanted(record).length === 0 && record.hubs.length > 0) return heldAsDenied(record);
  if (callbackHeldUntil !== undefined) return unchanged({ ...record, nextAttemptAt: callbackHeldUntil });
  const hubs = hubsToAsk(record, context);
  // What works, if badly, is renewed by its own schedule.
  if (hubs.length === 0 && hubsLeft(record).length > 0) return unchanged({ ...record, passedOver: [] });
  const isReady = (hub: string): boolean => (grantAt(record, hub, context)?.notBefore ?? now) <= now;
  const hub = hubs.find(isReady) ?? hubs[0];
  if (hub === undefined) return later({ ...record, passedOver: [] }, context);
  const notBefore = grantAt(record, hub, context)?.notBefore ?? now;
  if (notBefore > now) return unchanged({ ...record, nextAttemptAt: notBefore });
  return ask({ ...record, grants: record.grants.map(withoutSchedule) }, hub, context);
}

/** The advertised hubs that may be asked in this round, in their order. */
export function hubsLeft(record: SubscriptionRecord): readonly string[] {
  return hubsWanted(record).filter((hub) => !record.passedOver.includes(hub));
}

/** Those of them where nothing works that is renewed by its own schedule. */
export function hubsToAsk(record: SubscriptionRecord, context: TransitionContext): readonly string[] {
  return hubsLeft(record).filter((hub) => {
    const known = grantAt(record, hub, context);
    return known === undefined || !isWorking(known);
  });
}

/** All advertised hubs have denied: that is held, unless news still comes from one that was advertised before. */
export function heldAsDenied(record: SubscriptionRecord): Transition {
  const isEnd = !record.grants.some(isWorking);
  return unchanged({ ...record, hold: isEnd ? 'denied' : record.hold, nextAttemptAt: undefined });
}

/** Asks every advertised hub that neither grants it nor is being asked; each is asked again by its own schedule. */
function askAll(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hubs = hubsWanted(record);
  if (record.hubs.length > 0 && hubs.length === 0) return heldAsDenied(record);
  let current = unchanged(record);
  for (const hub of hubs) {
    current = andThen(current, (reached) => {
      const known = grantAt(reached, hub, context);
      if (known === undefined) return ask(reached, hub, context);
      if (isTaken(known, context.now)) return unchanged(reached);
      const { notBefore = 0 } = known;
      if (notBefore <= context.now) return ask(reached, hub, context);
      return unchanged(withGrant(reached, known.id, (grant) => ({ ...grant, nextAttemptAt: notBefore })));
    });
  }
  return current;
}

/**
 * Renewals that came due are asked for. What has moved is renewed where it was only if it cannot be had at its new place,
 * and left where it is had there already.
 */
function renewDue(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  let current = unchanged(record);
  for (const { id } of record.grants.filter(isRenewalDue)) {
    current = andThen(current, (reached) => {
      const grant = reached.grants.find((each) => each.id === id);
      if (grant === undefined || !isWorking(grant) || isBarred(reached, grant)) return unchanged(reached);
      const isElsewhere = !isPresent(reached, grant, context);
      if (isElsewhere && isHad(reached, context)) {
        const left = withGrant(reached, id, () => leaving(grant, now, true));
        return { record: left, effects: [{ type: 'request', grantId: id, mode: 'unsubscribe' }] };
      }
      const isMoving = isElsewhere && isFirstTry(reached, context);
      if (!isMoving) return request(asAdvertised(reached, grant), id, 'subscribe', now);
      const nextAttemptAt = now + verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds);
      return unchanged(withGrant(reached, id, (one) => ({ ...one, renewalDue: undefined, nextAttemptAt })));
    });
  }
  return current;
}

/** Whether a present grant is being asked for, and nothing speaks against it yet. */
function isFirstTry(record: SubscriptionRecord, context: TransitionContext): boolean {
  // With several hubs, a success at one of them says nothing of the others.
  if (context.rules.hubs === 'failover' && record.attempts > 0) return false;
  const isBegun = ({ attempts, pending, nextAttemptAt }: GrantRecord): boolean =>
    attempts === 0 && (pending !== undefined || nextAttemptAt !== undefined);
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
  if (known === undefined) return askAfresh(record, hub, context);
  const again = withGrant(record, known.id, (grant) => ({
    ...grant,
    state: isOver(grant) ? 'requested' : grant.state,
    callback: context.callbackOf(grant.path),
    endedAt: undefined,
  }));
  return request(asAdvertised(again, known), known.id, 'subscribe', context.now);
}

function askAfresh(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const { topic = '' } = record;
  const { id, path, verifyToken } = context.fresh();
  const grant: GrantRecord = {
    id,
    advertisedHub: hub,
    hub,
    hubSettled: false,
    topic,
    callback: context.callbackOf(path),
    path,
    verifyToken,
    state: 'requested',
    secrets: [],
    attempts: 0,
  };
  const isStale = (other: GrantRecord): boolean =>
    other.verifiedAt === undefined && !isOver(other) && !isPresent(record, other, context);
  // A callback serves one grant: where there is only one to give, the new grant takes it over.
  const before = record.grants.find((other) => other.path === path);
  const others = record.grants.filter((other) => other !== before && !isStale(other));
  const grants = [...others, before === undefined ? grant : takenOver(grant, before)];
  return request({ ...record, grants }, id, 'subscribe', context.now);
}

function withoutSchedule(grant: GrantRecord): GrantRecord {
  return isHeld(grant) || grant.nextAttemptAt === undefined ? grant : { ...grant, nextAttemptAt: undefined };
}

function later(record: SubscriptionRecord, { now, random }: TransitionContext): Transition {
  return unchanged({ ...record, nextAttemptAt: now + backoffMs(record.attempts, random, FAILURE_BACKOFF) });
}
