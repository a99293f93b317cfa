import { hasPathOfItsOwn } from './callback-key.js';
import {
  andThen,
  discover,
  ended,
  isDiscovery,
  leaving,
  renew,
  request,
  SAFETY_MS,
  unchanged,
  withGrant,
} from './changes.js';
import { due } from './due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { hubsWanted, isBarred, isPresent, isServed, isTaken } from './presence.js';
import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from './record.js';
import { isAsking, isHeld, isOver, isScheduled, isWorking } from './state.js';

/** Renewals that came due while the process was down are spread over at most this long, in milliseconds. */
const LONGEST_SPREAD_MS = 30_000;

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Makes what is wanted happen, unless it is held, under way, or scheduled. */
export function wanted(record: SubscriptionRecord, context: TransitionContext): Transition {
  if (!isAsking(record)) return unchanged(record);
  return andThen(underPresentCallbacks(record, context), (present) => {
    const isLate = present.grants.some((grant) => isOverdue(grant, context));
    const done = caughtUp(isLate ? spread(present, context) : present, context);
    return andThen(done, (reached) => cutOff(reached, context));
  });
}

/**
 * A hub that was given a callback which is not ours any more (another public URL, say) has to be asked again. What works
 * goes on meanwhile, and is left when another grant has taken its place (PROTOCOL L6), unless its callback is fixed: there
 * can be no second one beside it.
 */
function underPresentCallbacks(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { callbackOf, hasOneCallback = false } = context;
  const foreign = record.grants.filter((grant) => {
    const isEnding = isOver(grant) || grant.superseded === true;
    return !isEnding && grant.callback !== callbackOf(grant.path);
  });
  if (foreign.length === 0) return unchanged(record);
  const isKept = (grant: GrantRecord): boolean => isHeld(grant) && !hasOneCallback && hasPathOfItsOwn(grant.path);
  const rewritten = (grant: GrantRecord): GrantRecord => ({
    ...grant,
    callback: callbackOf(grant.path),
    state: grant.verifiedAt === undefined ? 'requested' : 'expired',
    pending: undefined,
    renewalDue: undefined,
    nextAttemptAt: undefined,
  });
  const change = (grant: GrantRecord): GrantRecord => {
    if (!foreign.includes(grant)) return grant;
    if (!isKept(grant)) return rewritten(grant);
    return grant.state === 'unsubscribing' ? { ...grant, superseded: true } : grant;
  };
  const effects = foreign.map((grant): Effect => ({
    type: 'warn',
    grantId: grant.id,
    message: isKept(grant)
      ? `the callback is another one than hub ${grant.hub} was given: asking again; what it sends to the old one is accepted until that has been left`
      : `the callback is another one than hub ${grant.hub} was given: asking again; to the old one it may send until its lease ends`,
  }));
  return andThen({ record: { ...record, grants: record.grants.map(change) }, effects }, (next) =>
    isServed(next, context) ? unchanged(next) : discover(next, context),
  );
}

/**
 * A request without an answer, and an answer to a verification, may not have left before the process ended; and what was
 * being discovered for a renewal is not known.
 */
function cutOff(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now } = context;
  let current = unchanged(record);
  for (const grant of record.grants) {
    const { id, pending } = grant;
    if (isBarred(record, grant)) continue;
    if (pending?.mode === 'subscribe' && !pending.accepted) {
      current = andThen(current, (reached) => {
        const closed = withGrant(reached, id, (one) => ({ ...one, pending: undefined }));
        return request(closed, id, 'subscribe', now);
      });
    } else if (isWorking(grant) && (grant.unanswered ?? grant.renewalDue) === true && pending === undefined) {
      current = andThen(current, (reached) => renew(reached, id, context));
    }
  }
  return current;
}

/** Nothing holds it any more, and it starts afresh. */
export function retried(
  record: SubscriptionRecord,
  { overrides = record.overrides }: Of<'retried'>,
  context: TransitionContext,
): Transition {
  const begun = { desired: 'subscribed', hold: undefined, deniedBy: [] } as const;
  const released: SubscriptionRecord = { ...afresh(record, context.now), overrides, ...begun };
  const done = caughtUp(released, context);
  if (!isOtherwise(overrides, record.overrides)) return done;
  // The hub is to know at once what is asked of it otherwise, not at the next renewal.
  return andThen(done, (reached) => renewedNow(reached, done.effects, context));
}

/** What works is renewed now; what is being asked already is not asked twice. */
export function renewalWanted(record: SubscriptionRecord, context: TransitionContext): Transition {
  return isAsking(record) ? renewedNow(record, [], context) : unchanged(record);
}

function renewedNow(record: SubscriptionRecord, begun: readonly Effect[], context: TransitionContext): Transition {
  let current = unchanged(record);
  for (const grant of record.grants) {
    const isOnItsWay = begun.some((effect) => effect.type === 'request' && effect.grantId === grant.id);
    const isBegun = isOnItsWay || grant.pending !== undefined || grant.renewalDue === true || isBarred(record, grant);
    if (isWorking(grant) && !isBegun) current = andThen(current, (reached) => renew(reached, grant.id, context));
  }
  return current;
}

/** Failures are counted from nothing, and what waits because of them is tried now; what holds for other reasons still does. */
export function countersReset(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hold = record.hold === 'gave-up' ? undefined : record.hold;
  const released = { ...afresh(record, context.now), hold };
  return isAsking(released) ? caughtUp(released, context) : unchanged(released);
}

/** Nothing has failed so far, and no hub is left alone for it. */
function afresh(record: SubscriptionRecord, now: number): SubscriptionRecord {
  return {
    ...record,
    passedOver: [],
    attempts: 0,
    failures: undefined,
    nextAttemptAt: undefined,
    grants: record.grants.map((grant) => {
      if (grant.superseded === true) return grant;
      return { ...grant, attempts: 0, nextAttemptAt: nextOf(grant, now), notBefore: undefined };
    }),
  };
}

/** A renewal that has begun goes on; one that failed, and what a hub would not end, is asked for again. */
function nextOf({ state, renewalDue, nextAttemptAt, attempts }: GrantRecord, now: number): number | undefined {
  const isFailed = state === 'unsubscribing' || (state === 'active' && attempts > 0);
  if (isFailed && nextAttemptAt !== undefined && renewalDue !== true) return now;
  return renewalDue === true ? nextAttemptAt : undefined;
}

function isOtherwise(a: SubscriptionOverrides | undefined, b: SubscriptionOverrides | undefined): boolean {
  return a?.leaseSeconds !== b?.leaseSeconds || a?.secret !== b?.secret;
}

/** What has come due is done, and what then is neither under way nor scheduled is begun. */
function caughtUp(record: SubscriptionRecord, context: TransitionContext): Transition {
  const isLeaving = record.grants.some(({ state, superseded }) => state === 'unsubscribing' && superseded !== true);
  if (isLeaving) return resumed(record, context);
  const done = due(record, context);
  if (!isAsking(done.record) || isBegun(done, context) || isServed(done.record, context)) return done;
  // Without a failure the schedule is a safety net only: what it was set for was lost with its process. With several hubs,
  // that one of them waits says nothing of the others.
  const isScheduledNow =
    context.rules.hubs === 'all' ? done.record.nextAttemptAt !== undefined : isScheduled(done.record);
  if (done.record.attempts > 0 && isScheduledNow) return done;
  return andThen(done, (reached) => discover(reached, context));
}

/** Whether what was due has begun all that is to be asked for. */
function isBegun({ record, effects }: Transition, context: TransitionContext): boolean {
  if (effects.some(isDiscovery)) return true;
  const begun = effects.flatMap((effect) =>
    effect.type === 'request' && effect.mode === 'subscribe' ? effect.grantId : [],
  );
  if (context.rules.hubs === 'failover') return begun.length > 0;
  const isSeenTo = (grant: GrantRecord): boolean => begun.includes(grant.id) || isTaken(grant, context.now);
  const present = record.grants.filter((grant) => isPresent(record, grant, context) && isSeenTo(grant));
  return begun.length > 0 && hubsWanted(record).every((hub) => present.some((grant) => grant.advertisedHub === hub));
}

function isOverdue(
  { state, pending, nextAttemptAt, renewsAt, expiresAt = 0 }: GrantRecord,
  { now }: TransitionContext,
): boolean {
  return state === 'active' && pending === undefined && (nextAttemptAt ?? renewsAt ?? now) <= now && expiresAt > now;
}

/** Not every renewal that came due meanwhile is to be asked for at the same moment (PROTOCOL L4). */
function spread(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  const { now, random } = context;
  return {
    ...record,
    grants: record.grants.map((grant) => {
      if (!isOverdue(grant, context)) return grant;
      const room = Math.min(LONGEST_SPREAD_MS, ((grant.expiresAt ?? now) - now) / 4);
      return { ...grant, renewalDue: undefined, nextAttemptAt: now + Math.floor(random * room) };
    }),
  };
}

/** An unsubscription that was not finished is taken back by subscribing again under the same callback. */
function resumed(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now } = context;
  const effects: Effect[] = [];
  const grants = record.grants.map((grant): GrantRecord => {
    if (grant.state !== 'unsubscribing' || grant.superseded === true) return grant;
    const isLeased = grant.expiresAt !== undefined && grant.expiresAt > now;
    const back = { ...grant, pending: undefined, attempts: 0, notBefore: undefined };
    if (!isLeased) return { ...back, state: 'expired', nextAttemptAt: undefined };
    effects.push({ type: 'request', grantId: grant.id, mode: 'subscribe' });
    return { ...back, state: 'active', nextAttemptAt: now + SAFETY_MS };
  });
  return andThen({ record: { ...record, grants }, effects }, (reached) =>
    isServed(reached, context) ? unchanged(reached) : discover(reached, context),
  );
}

/** Ends what is held by asking its hub; what is not held ends by itself. At a shutdown only what is held ends. */
export function unwanted(record: SubscriptionRecord, { why }: Of<'unwanted'>, { now }: TransitionContext): Transition {
  const effects: Effect[] = [];
  const grants = record.grants.map((grant): GrantRecord => {
    if (grant.state === 'active') {
      effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
      return leaving(grant, now, false);
    }
    // What its hub would not end before is asked for once more: after the stop there may be nobody who does.
    if (why === 'shutdown' && grant.state === 'unsubscribing' && grant.pending === undefined && !grant.superseded) {
      effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
      return leaving(grant, now, false);
    }
    return why === 'shutdown' || isHeld(grant) || isOver(grant) ? grant : ended(grant, 'unsubscribed', now);
  });
  if (why === 'shutdown') return { record: { ...record, grants }, effects };
  const next: SubscriptionRecord = {
    ...record,
    grants,
    desired: 'unsubscribed',
    hold: why,
    attempts: 0,
    nextAttemptAt: undefined,
  };
  if (record.desired === 'subscribed' && !grants.some(isHeld)) {
    const last = grants.findLast((grant, index) => grant !== record.grants[index]);
    effects.push({ type: 'hook', name: 'unsubscribed', ...(last === undefined ? {} : { grantId: last.id }) });
  }
  return { record: next, effects };
}
