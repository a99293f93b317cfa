import { isOverdue, spread, withinRenewal, withOwedRenewal } from '../rules/overdue-renewals.js';
import { refusalWaitMs } from '../../retry-policy.js';
import { endsWithCallbackToken } from '../../registry/callback-key.js';
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
} from '../changes.js';
import { question } from './on-denied.js';
import { due } from './on-due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { guardedUntil } from '../rules/in-flight-guard.js';
import { isPresent, isServed, isTaken } from '../rules/current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { withoutRest } from '../rules/refusal-cooldown.js';
import { isAsking, isDeniedUnasked, isHeld, isOver, isScheduled, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Makes what is wanted happen, unless it is held, under way, or scheduled. */
export function wanted(given: SubscriptionRecord, context: TransitionContext): Transition {
  const record = released(given, context);
  if (!isAsking(record)) return unchanged(record);
  return andThen(underPresentCallbacks(record, context), (present) => {
    const known = withOwedRenewal(withinRenewal(present, context), context);
    const isLate = known.grants.some((grant) => isOverdue(known, grant, context));
    const done = caughtUp(isLate ? spread(known, context) : known, context);
    return andThen(done, (reached) => cutOff(reached, context));
  });
}

/** Asks again for subscriptions that version 1 held as denied, as after a denial now (PROTOCOL N2). */
function released(record: SubscriptionRecord, context: TransitionContext): SubscriptionRecord {
  if (record.heldByVersion1 !== true || record.hold !== 'denied') return record;
  const at = context.now + refusalWaitMs(1, context.random);
  const grants = record.grants.map((grant) => {
    if (isDeniedUnasked(grant)) return { ...grant, ...question(record, grant, context) };
    return grant.deniedAt === undefined ? grant : { ...grant, notBefore: at };
  });
  const isQuestion = grants.some(isDeniedUnasked);
  const nextAttemptAt = isQuestion ? undefined : at;
  return { ...record, grants, hold: undefined, heldByVersion1: undefined, attempts: 1, nextAttemptAt };
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
  const isKept = (grant: GrantRecord): boolean => isHeld(grant) && !hasOneCallback && endsWithCallbackToken(grant.path);
  const rewritten = (grant: GrantRecord): GrantRecord => ({
    ...grant,
    callback: callbackOf(grant.path),
    state: grant.verifiedAt === undefined ? 'requested' : 'expired',
    replaces: undefined,
    pending: undefined,
    renewalDue: undefined,
    nextAttemptAt: undefined,
    // The hub's answers for another callback do not count for this one.
    attempts: 0,
    refusals: undefined,
    notBefore: undefined,
    deniedAt: undefined,
    deniedUnasked: undefined,
    denialAnswered: undefined,
    askAfreshAt: undefined,
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
    if (pending?.mode === 'subscribe' && !pending.accepted && pending.denied !== true) {
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

/** What has come due is done, and what then is neither under way nor scheduled is begun. */
export function caughtUp(record: SubscriptionRecord, context: TransitionContext): Transition {
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
  return begun.length > 0 && record.hubs.every((hub) => present.some((grant) => grant.advertisedHub === hub));
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
    return { ...back, state: 'active', ...guardedUntil(now + SAFETY_MS) };
  });
  const left = record.grants.filter(({ state }) => state === 'unsubscribing');
  const free = left.reduce(withoutRest, { ...record, grants });
  return andThen({ record: free, effects }, (reached) =>
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
    return why === 'shutdown' || isHeld(grant) || isOver(grant) ? grant : ended(grant, now);
  });
  if (why === 'shutdown') return { record: { ...record, grants }, effects };
  const next: SubscriptionRecord = {
    ...record,
    grants,
    desired: 'unsubscribed',
    hold: why,
    attempts: 0,
    attemptsKept: undefined,
    nextAttemptAt: undefined,
  };
  if (record.desired === 'subscribed' && !grants.some(isHeld)) {
    const last = grants.findLast((grant, index) => grant !== record.grants[index]);
    effects.push({ type: 'hook', name: 'unsubscribed', ...(last === undefined ? {} : { grantId: last.id }) });
  }
  return { record: next, effects };
}
