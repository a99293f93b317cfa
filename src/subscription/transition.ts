import { denied, handlerRefused, verified } from './answering.js';
import { accepted, discover, discovered, discoveryFailed, isAsking, request, requested, requestFailed } from './asking.js';
import { due } from './due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isHeld, isOver } from './state.js';

/**
 * The life of a subscription: what a record becomes by an event, and what is to be done about it. The only place where
 * a subscription changes; a function of its arguments alone.
 */
export function transition(
  record: SubscriptionRecord,
  event: SubscriptionEvent,
  context: TransitionContext,
): Transition {
  switch (event.type) {
    case 'wanted':
      return wanted(record, context);
    case 'retried':
      return wanted(released(record), context);
    case 'unwanted':
      return unwanted(record, event.why, context);
    case 'discovered':
      return discovered(record, event, context);
    case 'discovery-failed':
      return discoveryFailed(record, event, context);
    case 'requested':
      return requested(record, event, context);
    case 'accepted':
      return accepted(record, event, context);
    case 'refused':
      return isPending(record, event) ? requestFailed(record, event.grantId, { ...event, refused: true }, context) : same(record);
    case 'unreachable':
      return isPending(record, event) ? requestFailed(record, event.grantId, event, context) : same(record);
    case 'verified':
      return verified(record, event, context);
    case 'handler-refused':
      return handlerRefused(record, event);
    case 'denied':
      return denied(record, event, context);
    case 'content-rejected':
      return { record: { ...record, lastError: event.failure }, effects: [] };
    case 'due':
      return due(record, context);
  }
}

function same(record: SubscriptionRecord): Transition {
  return { record, effects: [] };
}

/** An answer counts for the request it belongs to; one that was verified or given up meanwhile is settled already. */
function isPending(record: SubscriptionRecord, event: { grantId: string; requestId: string }): boolean {
  return record.grants.some((grant) => grant.id === event.grantId && grant.pending?.id === event.requestId);
}

/** Makes what is wanted happen, unless it is held, under way, or scheduled. */
function wanted(record: SubscriptionRecord, { now }: TransitionContext): Transition {
  if (!isAsking(record)) return same(record);
  const leaving = record.grants.find((grant) => grant.state === 'unsubscribing');
  if (leaving !== undefined) return resumed(record, leaving, now);
  const underWay = record.grants.some((grant) => isHeld(grant) || (grant.pending !== undefined && !isOver(grant)));
  const scheduled = record.nextAttemptAt !== undefined || record.grants.some(isScheduled);
  return underWay || scheduled ? same(record) : discover(record, now);
}

function isScheduled(grant: GrantRecord): boolean {
  return grant.nextAttemptAt !== undefined && !isOver(grant);
}

/** An unsubscription that was not finished is taken back by subscribing again under the same callback. */
function resumed(record: SubscriptionRecord, leaving: GrantRecord, now: number): Transition {
  const held = leaving.expiresAt !== undefined && leaving.expiresAt > now;
  const back = {
    ...record,
    grants: record.grants.map((grant): GrantRecord =>
      grant.id === leaving.id ? { ...grant, state: held ? 'active' : 'expired', pending: undefined } : grant,
    ),
  };
  return held ? request(back, leaving.id, 'subscribe', now) : discover(back, now);
}

/** Nothing holds it any more, and it starts afresh. */
function released(record: SubscriptionRecord): SubscriptionRecord {
  return {
    ...record,
    desired: 'subscribed',
    hold: undefined,
    deniedBy: [],
    passedOver: [],
    attempts: 0,
    nextAttemptAt: undefined,
    grants: record.grants.map((grant) => ({ ...grant, attempts: 0, nextAttemptAt: undefined })),
  };
}

function unwanted(
  record: SubscriptionRecord,
  why: 'unsubscribed' | 'deleted' | 'shutdown',
  { now }: TransitionContext,
): Transition {
  const effects: Effect[] = [];
  const grants = record.grants.map((grant): GrantRecord => {
    if (grant.state === 'active') {
      effects.push({ type: 'request', grantId: grant.id, mode: 'unsubscribe' });
      return { ...grant, state: 'unsubscribing', pending: undefined, nextAttemptAt: now + 60_000 };
    }
    if (why === 'shutdown' || grant.state === 'unsubscribing' || isOver(grant)) return grant;
    return { ...grant, state: 'unsubscribed', pending: undefined, nextAttemptAt: undefined, endedAt: now };
  });
  if (why === 'shutdown') return { record: { ...record, grants }, effects };
  return { record: { ...record, grants, desired: 'unsubscribed', hold: why, nextAttemptAt: undefined }, effects };
}
