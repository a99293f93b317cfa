import type { Effect, Transition, TransitionInput } from '../machine/transition-types.js';
import type { SubscriptionRecord } from './record.js';

/**
 * Whether the write may be deferred: after a crash, the stored record leads to the same discovery or request again.
 *
 * A user's decision is never deferred. Of a hub's answers, only the acceptance of a request is, at a URL where the hub
 * has accepted one before. Rejected content is deferred, because strangers can cause any number of rejections. It
 * may be lost. Plans of fetches are deferred, too: the fetch that the stored record plans takes the place of a lost one.
 */
export function canDeferWrite(
  before: SubscriptionRecord,
  input: TransitionInput,
  { record, effects }: Pick<Transition, 'record' | 'effects'>,
): boolean {
  switch (input.type) {
    case 'wanted':
    case 'due':
    case 'discovered':
      return effects.length > 0 && effects.every(isDiscoveryOrSubscribe);
    case 'accepted': {
      const grant = before.grants.find(({ id }) => id === input.grantId);
      return input.isDone !== true && grant?.hub === input.hub && grant.hasHubAccepted;
    }
    case 'polled':
      // Without the time of the last poll, the next one would count entries that are new as old.
      return before.fetched?.polledAt === record.fetched?.polledAt;
    case 'content-rejected':
    case 'content-refused':
    case 'room-missing':
    case 'catch-up-failed':
    case 'catch-up-skipped':
    case 'catch-up-dropped':
    case 'poll-failed':
    case 'poll-skipped':
    case 'resumed':
      return true;
    default:
      return false;
  }
}

function isDiscoveryOrSubscribe(effect: Effect): boolean {
  return effect.type === 'discover' || (effect.type === 'request' && effect.mode === 'subscribe');
}
