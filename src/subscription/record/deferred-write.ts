import type { Effect, TransitionInput } from '../machine/transition-types.js';
import type { SubscriptionRecord } from './record.js';

/**
 * Whether the write may be deferred: after a crash, the stored record leads to the same discovery or request again.
 *
 * A user's decision is never deferred. Of a hub's answers, only the acceptance of a request is, at a URL where the hub
 * has accepted one before. Rejected content is deferred, because strangers can cause any number of rejections. It
 * may be lost.
 */
export function canDeferWrite(
  { grants }: SubscriptionRecord,
  input: TransitionInput,
  effects: readonly Effect[],
): boolean {
  switch (input.type) {
    case 'wanted':
    case 'due':
    case 'discovered':
      return effects.length > 0 && effects.every(isDiscoveryOrSubscribe);
    case 'accepted': {
      const grant = grants.find(({ id }) => id === input.grantId);
      return input.isDone !== true && grant?.hub === input.hub && grant.hasHubAccepted;
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
