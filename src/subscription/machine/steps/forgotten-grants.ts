import type { Effect, Transition } from '../events.js';
import type { SubscriptionRecord } from '../../record/record.js';

/** Adds to each hook the grant that the transition has forgotten, as it was before. */
export function withRemovedGrants(before: SubscriptionRecord, { record, effects }: Transition): Transition {
  const has = ({ grants }: SubscriptionRecord, grantId: string): boolean => grants.some(({ id }) => id === grantId);
  const isRemoved = (effect: Effect): boolean =>
    effect.type === 'hook' && effect.grantId !== undefined && !has(record, effect.grantId);
  if (!effects.some(isRemoved)) return { record, effects };
  const withGrants = effects.map((effect): Effect => {
    if (effect.type !== 'hook' || !isRemoved(effect)) return effect;
    return { ...effect, removedGrant: before.grants.find(({ id }) => id === effect.grantId) };
  });
  return { record, effects: withGrants };
}
