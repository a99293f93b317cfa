import { andThen, discover, ended, request, SAFETY_MS, unchanged, withGrant } from './changes.js';
import { due } from './due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from './record.js';
import { isAsking, isCovered, isHeld, isOver, isScheduled } from './state.js';

/** Renewals that came due while the process was down are spread over at most this long, in milliseconds. */
const LONGEST_SPREAD_MS = 30_000;

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Makes what is wanted happen, unless it is held, under way, or scheduled. */
export function wanted(record: SubscriptionRecord, context: TransitionContext): Transition {
  if (!isAsking(record)) return unchanged(record);
  return andThen(underPresentCallbacks(record, context), (present) => {
    const isLate = present.grants.some((grant) => isOverdue(grant, context));
    return andThen(caughtUp(isLate ? spread(present, context) : present, context), unanswered);
  });
}

/** A hub that was given a callback which is not ours any more (another public URL, say) has to be asked again. */
function underPresentCallbacks(record: SubscriptionRecord, { callbackOf }: TransitionContext): Transition {
  const moved = record.grants.filter((grant) => !isOver(grant) && grant.callback !== callbackOf(grant.path));
  if (moved.length === 0) return unchanged(record);
  return {
    record: {
      ...record,
      grants: record.grants.map((grant) =>
        moved.includes(grant)
          ? {
              ...grant,
              callback: callbackOf(grant.path),
              state: grant.verifiedAt === undefined ? 'requested' : 'expired',
              pending: undefined,
              nextAttemptAt: undefined,
            }
          : grant,
      ),
    },
    effects: moved.map(({ id, hub }) => ({
      type: 'warn',
      grantId: id,
      message: `the callback is another one than hub ${hub} was given: asking again; to the old one it may send until its lease ends`,
    })),
  };
}

/** A request without an answer may not have left before its process ended. */
function unanswered(record: SubscriptionRecord): Transition {
  const open = record.grants.find(({ pending }) => pending?.mode === 'subscribe' && !pending.accepted);
  return open === undefined
    ? unchanged(record)
    : { record, effects: [{ type: 'request', grantId: open.id, mode: 'subscribe' }] };
}

/** Nothing holds it any more, and it starts afresh. */
export function retried(
  record: SubscriptionRecord,
  { overrides = record.overrides }: Of<'retried'>,
  context: TransitionContext,
): Transition {
  const released: SubscriptionRecord = {
    ...record,
    overrides,
    desired: 'subscribed',
    hold: undefined,
    deniedBy: [],
    passedOver: [],
    attempts: 0,
    nextAttemptAt: undefined,
    grants: record.grants.map((grant) => ({ ...grant, attempts: 0, nextAttemptAt: undefined, notBefore: undefined })),
  };
  const done = caughtUp(released, context);
  if (!isOtherwise(overrides, record.overrides)) return done;
  return andThen(done, (reached) => renewed(reached, done.effects, context));
}

/** The hub is to know at once what is asked of it otherwise, not at the next renewal. */
function renewed(record: SubscriptionRecord, effects: readonly Effect[], { now }: TransitionContext): Transition {
  const grant = record.grants.find(({ state }) => state === 'active');
  const isBegun = effects.some(({ type }) => type === 'request');
  return grant === undefined || isBegun ? unchanged(record) : request(record, grant.id, 'subscribe', now);
}

function isOtherwise(a: SubscriptionOverrides | undefined, b: SubscriptionOverrides | undefined): boolean {
  return a?.leaseSeconds !== b?.leaseSeconds || a?.secret !== b?.secret;
}

/** What has come due is done, and what then is neither under way nor scheduled is begun. */
function caughtUp(record: SubscriptionRecord, context: TransitionContext): Transition {
  const leaving = record.grants.find((grant) => grant.state === 'unsubscribing');
  if (leaving !== undefined) return resumed(record, leaving, context);
  const done = due(record, context);
  if (done.effects.some(({ type }) => type === 'discover' || type === 'request')) return done;
  // Without a failure the schedule is a safety net only: what it was set for was lost with its process.
  const isWaiting = done.record.attempts > 0 && isScheduled(done.record);
  if (!isAsking(done.record) || isCovered(done.record) || isWaiting) return done;
  return andThen(done, (reached) => discover(reached, context));
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
      return { ...grant, nextAttemptAt: now + Math.floor(random * room) };
    }),
  };
}

/** An unsubscription that was not finished is taken back by subscribing again under the same callback. */
function resumed(record: SubscriptionRecord, leaving: GrantRecord, context: TransitionContext): Transition {
  const { now } = context;
  const isLeased = leaving.expiresAt !== undefined && leaving.expiresAt > now;
  const back = withGrant(record, leaving.id, (grant) => ({
    ...grant,
    state: isLeased ? 'active' : 'expired',
    pending: undefined,
    attempts: 0,
    nextAttemptAt: undefined,
  }));
  return isLeased ? request(back, leaving.id, 'subscribe', now) : discover(back, context);
}

/** Ends what is held by asking its hub; what is not held ends by itself. At a shutdown only what is held ends. */
export function unwanted(record: SubscriptionRecord, { why }: Of<'unwanted'>, { now }: TransitionContext): Transition {
  const effects: Effect[] = [];
  const grants = record.grants.map((grant): GrantRecord => {
    if (grant.state === 'active') {
      effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
      return { ...grant, state: 'unsubscribing', pending: undefined, attempts: 0, nextAttemptAt: now + SAFETY_MS };
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
