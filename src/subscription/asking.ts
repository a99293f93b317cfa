import { backoffMs, FAILOVER_AFTER, FAILURE_BACKOFF } from './backoff.js';
import { andThen, counted, request, unchanged, withGrant } from './changes.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isAsking, isCovered, isHeld, isOver } from './state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** A hub is chosen from what discovery found, unless one is held or being asked already. */
export function discovered(
  record: SubscriptionRecord,
  event: Of<'discovered'>,
  context: TransitionContext,
): Transition {
  const found = { ...record, topic: event.topic, hubs: event.hubs, nextAttemptAt: undefined };
  return isAsking(found) && !isCovered(found) ? askNext(found, context) : unchanged(found);
}

/** Without discovery, what is known from the last one has to do. */
export function discoveryFailed(
  record: SubscriptionRecord,
  { failure }: Of<'discovery-failed'>,
  context: TransitionContext,
): Transition {
  const ended = { ...record, nextAttemptAt: undefined };
  if (!isAsking(ended) || isCovered(ended)) return unchanged(ended);
  const hook: Effect = { type: 'hook', name: 'failed', failure };
  const told = { record: counted(ended, failure, context.rules), effects: [hook] };
  return andThen(told, (failed) => {
    if (!isAsking(failed)) return unchanged(failed);
    return failed.topic === undefined ? later(failed, context) : askNext(failed, context);
  });
}

/** Whether no advertised hub is left that may be asked (PROTOCOL N2). */
export function isDeniedByAll({ hubs, deniedBy }: SubscriptionRecord): boolean {
  return hubs.length > 0 && hubs.every((hub) => deniedBy.includes(hub));
}

/**
 * Asks the next advertised hub that has neither denied nor been passed over in this round; when the round is over, it
 * begins again later. Holds where all have denied.
 */
export function askNext(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now, callbackHeldUntil } = context;
  if (isDeniedByAll(record)) return unchanged({ ...record, hold: 'denied', nextAttemptAt: undefined });
  if (callbackHeldUntil !== undefined) return unchanged({ ...record, nextAttemptAt: callbackHeldUntil });
  const hubs = hubsLeft(record);
  const isReady = (hub: string): boolean => (grantAt(record, hub)?.notBefore ?? now) <= now;
  const hub = hubs.find(isReady) ?? hubs[0];
  if (hub === undefined) return later({ ...record, passedOver: [] }, context);
  const notBefore = grantAt(record, hub)?.notBefore ?? now;
  return notBefore > now ? unchanged({ ...record, nextAttemptAt: notBefore }) : ask(record, hub, context);
}

/** The advertised hubs that may be asked in this round, in their order. */
export function hubsLeft({ hubs, deniedBy, passedOver }: SubscriptionRecord): readonly string[] {
  return hubs.filter((hub) => !deniedBy.includes(hub) && !passedOver.includes(hub));
}

/** The grant to go on with at a hub: its callback is known there, if only from a request. */
function grantAt({ grants, topic }: SubscriptionRecord, hub: string): GrantRecord | undefined {
  const isUsable = ({ state, verifiedAt }: GrantRecord): boolean =>
    state !== 'denied' && (state !== 'unsubscribed' || verifiedAt !== undefined);
  return grants.find((grant) => grant.advertisedHub === hub && grant.topic === topic && isUsable(grant));
}

function ask(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const { now, callbackOf } = context;
  const alone = { ...record, grants: record.grants.map(withoutSchedule) };
  const known = grantAt(alone, hub);
  if (known === undefined) return askAfresh(alone, hub, context);
  const again = withGrant(alone, known.id, (grant) => ({
    ...grant,
    state: isOver(grant) ? 'requested' : grant.state,
    callback: callbackOf(grant.path),
    endedAt: undefined,
    // Where it moved to, or its https form, does not answer: it is looked for again where the publisher says it is.
    ...(grant.attempts < FAILOVER_AFTER ? {} : { hub, hubSettled: false }),
  }));
  return request(again, known.id, 'subscribe', now);
}

function askAfresh(record: SubscriptionRecord, hub: string, { now, fresh, callbackOf }: TransitionContext): Transition {
  const { hubs, topic = '' } = record;
  const { id, path, verifyToken } = fresh;
  const grant: GrantRecord = {
    id,
    advertisedHub: hub,
    hub,
    hubSettled: false,
    topic,
    callback: callbackOf(path),
    path,
    verifyToken,
    state: 'requested',
    secrets: [],
    attempts: 0,
  };
  const isStale = (other: GrantRecord): boolean =>
    other.verifiedAt === undefined && !isOver(other) && (other.topic !== topic || !hubs.includes(other.advertisedHub));
  // A callback serves one grant: where there is only one to give, the new grant takes it over.
  const others = record.grants.filter((other) => other.path !== path && !isStale(other));
  return request({ ...record, grants: [...others, grant] }, id, 'subscribe', now);
}

function withoutSchedule(grant: GrantRecord): GrantRecord {
  return isHeld(grant) || grant.nextAttemptAt === undefined ? grant : { ...grant, nextAttemptAt: undefined };
}

function later(record: SubscriptionRecord, { now, random }: TransitionContext): Transition {
  return unchanged({ ...record, nextAttemptAt: now + backoffMs(record.attempts, random, FAILURE_BACKOFF) });
}
