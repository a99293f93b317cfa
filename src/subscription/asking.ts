import { backoffMs, FAILURE_BACKOFF, REFUSAL_BACKOFF } from './backoff.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { verifyTimeoutMs } from './lease.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import { withPendingSecret } from './secrets.js';
import { isHeld, isOver } from './state.js';

/** Failures in a row at one hub after which another advertised one is tried. */
const FAILOVER_AFTER = 3;

/** If what a transition asked for is lost in a crash, it is asked for again after this long. */
const SAFETY_MS = 60_000;

const LONGEST_RETRY_AFTER_MS = 86_400_000;

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** Whether anything may be asked for on its behalf. */
export function isAsking(record: SubscriptionRecord): boolean {
  return record.desired === 'subscribed' && record.hold === undefined;
}

/** The record with one grant changed. */
export function withGrant(
  record: SubscriptionRecord,
  grantId: string,
  change: (grant: GrantRecord) => GrantRecord,
): SubscriptionRecord {
  return { ...record, grants: record.grants.map((grant) => (grant.id === grantId ? change(grant) : grant)) };
}

/** Begin with discovery. */
export function discover(record: SubscriptionRecord, now: number): Transition {
  return { record: { ...record, nextAttemptAt: now + SAFETY_MS }, effects: [{ type: 'discover' }] };
}

/** Send a request for one grant. */
export function request(
  record: SubscriptionRecord,
  grantId: string,
  mode: 'subscribe' | 'unsubscribe',
  now: number,
): Transition {
  return {
    record: withGrant(record, grantId, (grant) => ({ ...grant, nextAttemptAt: now + SAFETY_MS })),
    effects: [{ type: 'request', grantId, mode }],
  };
}

/** A hub is chosen from what discovery found, unless one is held or being asked already. */
export function discovered(record: SubscriptionRecord, event: Of<'discovered'>, context: TransitionContext): Transition {
  const found = { ...record, topic: event.topic, hubs: event.hubs, nextAttemptAt: undefined };
  if (!isAsking(record) || record.grants.some((grant) => isHeld(grant) || isBeingAsked(grant))) {
    return { record: found, effects: [] };
  }
  return askNext(found, context);
}

/** Without discovery, what is known from the last one has to do. */
export function discoveryFailed(
  record: SubscriptionRecord,
  { failure }: Of<'discovery-failed'>,
  context: TransitionContext,
): Transition {
  if (!isAsking(record)) return { record: { ...record, nextAttemptAt: undefined }, effects: [] };
  const failed = counted({ ...record, nextAttemptAt: undefined }, failure, context);
  const hook: Effect = { type: 'hook', name: 'failed', failure };
  if (failed.hold !== undefined) return { record: failed, effects: [hook] };
  if (failed.topic !== undefined && failed.hubs.length > 0) return withEffect(hook, askNext(failed, context));
  return { record: later(failed, context, FAILURE_BACKOFF), effects: [hook] };
}

/** The request is stored as pending before it leaves. */
export function requested(record: SubscriptionRecord, event: Of<'requested'>, context: TransitionContext): Transition {
  const grant = record.grants.find(({ id }) => id === event.grantId);
  const wanted = event.mode === 'subscribe' ? isAsking(record) : grant?.state === 'unsubscribing';
  if (grant === undefined || !wanted) return { record, effects: [] };
  const { rules, now } = context;
  const timeout = verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds ?? rules.leaseSeconds);
  const asked: GrantRecord = {
    ...grant,
    state: grant.state === 'requested' || grant.state === 'failed' ? 'verifying' : grant.state,
    nextAttemptAt: undefined,
    secrets: event.secret === undefined ? grant.secrets : withPendingSecret(grant.secrets, event.secret, now),
    pending: { id: event.requestId, mode: event.mode, deadline: now + timeout, accepted: false },
  };
  return {
    record: withGrant(record, grant.id, () => asked),
    effects: [{ type: 'hook', name: 'requested', grantId: grant.id }],
  };
}

/** The hub took the request; its verification may have come before, or is yet to come. */
export function accepted(record: SubscriptionRecord, event: Of<'accepted'>, context: TransitionContext): Transition {
  const { rules, now } = context;
  const next = withGrant(record, event.grantId, (grant) => {
    const settled = { ...grant, hub: event.hub, hubSettled: true };
    if (grant.pending?.id !== event.requestId) return settled;
    const timeout = verifyTimeoutMs(rules.verifyTimeoutSeconds, grant.leaseSeconds ?? rules.leaseSeconds);
    return { ...settled, pending: { ...grant.pending, accepted: true, deadline: now + timeout } };
  });
  return { record: next, effects: event.moved ? [{ type: 'hook', name: 'hub-moved', grantId: event.grantId }] : [] };
}

/** How a request came to nothing. */
export interface RequestFailure {
  readonly failure: FailureRecord;
  /** The hub said no for good, rather than not now. */
  readonly refused?: boolean;
  readonly retryAfterSeconds?: number | undefined;
}

/**
 * A request came to nothing. A grant that works goes on working and is renewed later; otherwise the same hub is asked
 * again, or another advertised one.
 */
export function requestFailed(
  record: SubscriptionRecord,
  grantId: string,
  { failure, refused = false, retryAfterSeconds }: RequestFailure,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined) return { record, effects: [] };
  const hook: Effect = { type: 'hook', name: 'failed', grantId, failure };
  const attempts = grant.attempts + 1;
  const failed = counted(
    withGrant(record, grantId, () => ({
      ...grant,
      attempts,
      pending: undefined,
      nextAttemptAt: undefined,
      state: grant.state === 'verifying' || grant.state === 'requested' ? 'failed' : grant.state,
    })),
    failure,
    context,
  );
  if (failed.hold === 'gave-up' && grant.state !== 'unsubscribing') return { record: failed, effects: [hook] };
  const wait = Math.max(
    backoffMs(failed.attempts, context.random, refused ? REFUSAL_BACKOFF : FAILURE_BACKOFF),
    Math.min((retryAfterSeconds ?? 0) * 1000, LONGEST_RETRY_AFTER_MS),
  );
  const again = (of: SubscriptionRecord): SubscriptionRecord =>
    withGrant(of, grantId, (one) => ({ ...one, nextAttemptAt: context.now + wait }));
  if (isHeld(grant) || !isAsking(failed)) return { record: again(failed), effects: [hook] };
  if (!refused && attempts < FAILOVER_AFTER) return { record: again(failed), effects: [hook] };
  const passed = { ...failed, passedOver: [...failed.passedOver, grant.advertisedHub] };
  if (nextHub(passed) !== undefined) return withEffect(hook, askNext(passed, context));
  return { record: { ...passed, passedOver: [], nextAttemptAt: context.now + wait }, effects: [hook] };
}

/** Asks the next advertised hub that has neither denied nor been passed over; holds where all have denied. */
export function askNext(record: SubscriptionRecord, context: TransitionContext): Transition {
  const hub = nextHub(record);
  if (hub !== undefined) return ask(record, hub, context);
  if (record.hubs.every((each) => record.deniedBy.includes(each))) {
    return { record: { ...record, hold: 'denied', nextAttemptAt: undefined }, effects: [] };
  }
  return { record: later({ ...record, passedOver: [] }, context, FAILURE_BACKOFF), effects: [] };
}

function nextHub(record: SubscriptionRecord): string | undefined {
  return record.hubs.find((hub) => !record.deniedBy.includes(hub) && !record.passedOver.includes(hub));
}

function ask(record: SubscriptionRecord, hub: string, context: TransitionContext): Transition {
  const topic = record.topic ?? '';
  const known = record.grants.find(
    (grant) => grant.advertisedHub === hub && grant.topic === topic && grant.state !== 'denied',
  );
  if (known !== undefined) {
    const again = withGrant(record, known.id, (grant) => ({
      ...grant,
      state: grant.state === 'expired' ? 'expired' : 'requested',
      callback: context.callbackOf(grant.path),
      endedAt: undefined,
    }));
    return request(again, known.id, 'subscribe', context.now);
  }
  const { id, path, verifyToken } = context.fresh;
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
  // A callback serves one grant: where there is only one to give, the new grant takes it over.
  const others = record.grants.filter((other) => other.path !== path);
  return request({ ...record, grants: [...others, grant] }, id, 'subscribe', context.now);
}

function counted(record: SubscriptionRecord, failure: FailureRecord, { rules }: TransitionContext): SubscriptionRecord {
  const attempts = record.attempts + 1;
  const gaveUp = isAsking(record) && attempts >= rules.maxAttempts;
  return { ...record, attempts, lastError: failure, hold: gaveUp ? 'gave-up' : record.hold };
}

function later(record: SubscriptionRecord, context: TransitionContext, backoff: typeof FAILURE_BACKOFF): SubscriptionRecord {
  return { ...record, nextAttemptAt: context.now + backoffMs(record.attempts, context.random, backoff) };
}

function withEffect(effect: Effect, { record, effects }: Transition): Transition {
  return { record, effects: [effect, ...effects] };
}

function isBeingAsked(grant: GrantRecord): boolean {
  return grant.pending?.mode === 'subscribe' && !isOver(grant);
}
