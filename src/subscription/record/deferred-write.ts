import type { Effect, SubscriptionEvent } from '../machine/events.js';
import type { SubscriptionRecord } from './record.js';

/**
 * Whether a change may be written with the next one: a process that dies before comes to it again by itself, as what is
 * stored still says that it is due, or that its hub has to be asked. What a hub or the user has said is never among it. A
 * rejection of content may wait as well: strangers can cause any number of them.
 */
export function canDeferWrite(
  { grants }: SubscriptionRecord,
  event: SubscriptionEvent,
  effects: readonly Effect[],
): boolean {
  switch (event.type) {
    case 'wanted':
    case 'due':
    case 'discovered':
      return effects.length > 0 && effects.every(isDiscoveryOrSubscribe);
    case 'accepted': {
      const grant = grants.find(({ id }) => id === event.grantId);
      return event.isDone !== true && grant?.hub === event.hub && grant.hubSettled;
    }
    case 'content-rejected':
      return true;
    default:
      return false;
  }
}

function isDiscoveryOrSubscribe(effect: Effect): boolean {
  return effect.type === 'discover' || (effect.type === 'request' && effect.mode === 'subscribe');
}
