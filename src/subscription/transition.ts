import { denied, handlerRefused, verified } from './answering.js';
import { discovered, discoveryFailed } from './asking.js';
import { due } from './due.js';
import type { SubscriptionEvent, Transition, TransitionContext } from './events.js';
import type { SubscriptionRecord } from './record.js';
import { accepted, answeredBadly, requested } from './requesting.js';
import { retried, unwanted, wanted } from './wanting.js';

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
      return retried(record, event, context);
    case 'unwanted':
      return unwanted(record, event, context);
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
      return handlerRefused(record, event);
    case 'denied':
      return denied(record, event, context);
    case 'content-rejected':
      return { record: { ...record, lastError: event.failure }, effects: [] };
    case 'due':
      break;
  }
  return due(record, context);
}
