import { answered, denied, handlerRefused, verificationWrong, verified } from './answering.js';
import { discovered, discoveryFailed } from './asking.js';
import { andThen, isDiscovery } from './changes.js';
import { due } from './due.js';
import type { Effect, SubscriptionEvent, Transition, TransitionContext } from './events.js';
import { fetched, missed, withGap } from './gap.js';
import type { SubscriptionRecord } from './record.js';
import { accepted, answeredBadly, requested } from './requesting.js';
import { isAsking } from './state.js';
import { countersReset, renewalWanted, retried, unwanted, wanted } from './wanting.js';

/**
 * The life of a subscription: what a record becomes by an event, and what is to be done about it. The only place where
 * a subscription changes; a function of its arguments alone.
 */
export function transition(
  record: SubscriptionRecord,
  event: SubscriptionEvent,
  context: TransitionContext,
): Transition {
  return withGap(record, event, withKnownHub(asFarAsAsking(step(record, event, context)), context), context);
}

function withKnownHub(next: Transition, context: TransitionContext): Transition {
  const { target } = next.record;
  if (typeof target === 'string' || !next.effects.some(isDiscovery)) return next;
  // With a hub and topic given there is nothing to discover (PROTOCOL D9).
  const known = { type: 'discovered', topic: target.topic, hubs: [target.hub] } as const;
  const others = next.effects.filter((effect) => !isDiscovery(effect));
  return andThen({ record: next.record, effects: others }, (reached) => discovered(reached, known, context));
}

/** One hub's failure may be the last one allowed: what was to be asked of others a moment before is not asked any more. */
function asFarAsAsking(next: Transition): Transition {
  if (isAsking(next.record)) return next;
  const isToAsk = (effect: Effect): boolean =>
    isDiscovery(effect) || (effect.type === 'request' && effect.mode === 'subscribe');
  return { record: next.record, effects: next.effects.filter((effect) => !isToAsk(effect)) };
}

function step(record: SubscriptionRecord, event: SubscriptionEvent, context: TransitionContext): Transition {
  switch (event.type) {
    case 'wanted':
      return wanted(record, context);
    case 'retried':
      return retried(record, event, context);
    case 'unwanted':
      return unwanted(record, event, context);
    case 'renewal-wanted':
      return renewalWanted(record, context);
    case 'counters-reset':
      return countersReset(record, context);
    case 'discovered':
      return discovered(record, event, context);
    case 'discovery-failed':
      return discoveryFailed(record, event, context);
    case 'requested':
      return requested(record, event, context);
    case 'accepted':
      return accepted(record, event, context);
    case 'refused':
    case 'unreachable':
      return answeredBadly(record, event, context);
    case 'verified':
      return verified(record, event, context);
    case 'handler-refused':
      return handlerRefused(record, event, context);
    case 'answered':
      return answered(record, event);
    case 'verification-wrong':
      return verificationWrong(record, event);
    case 'denied':
      return denied(record, event, context);
    case 'missed':
      return missed(record, event);
    case 'fetched':
      return fetched(record, event);
    case 'content-rejected':
      return { record: { ...record, lastError: event.failure }, effects: [] };
    case 'due':
      break;
  }
  return due(record, context);
}
