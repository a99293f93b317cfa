import type { TransitionContext } from './events.js';
import type { GrantRecord, SubscriptionRecord } from './record.js';
import { isHeld, isOver } from './state.js';

/** The grant to go on with at a hub: its callback is known there, if only from a request. */
export function grantAt(
  { grants, topic }: SubscriptionRecord,
  hub: string,
  { callbackOf }: Pick<TransitionContext, 'callbackOf'>,
): GrantRecord | undefined {
  const isUsable = (grant: GrantRecord): boolean => {
    const { state, verifiedAt, superseded } = grant;
    if (superseded === true || state === 'denied') return false;
    if (isHeld(grant)) return grant.callback === callbackOf(grant.path);
    return state !== 'unsubscribed' || verifiedAt !== undefined;
  };
  const usable = grants.filter((grant) => grant.advertisedHub === hub && grant.topic === topic && isUsable(grant));
  // One that has ended is taken up again only where there is no other: both would be asked for.
  return usable.findLast((grant) => !isOver(grant)) ?? usable.at(-1);
}

/** A new grant under a callback that another one had: what the hub of that one still sends is heard. */
export function takenOver(grant: GrantRecord, before: GrantRecord): GrantRecord {
  if (before.verifiedAt === undefined || isOver(before)) return grant;
  const { verifiedAt, expiresAt, secrets } = before;
  return { ...grant, state: 'expired', verifiedAt, expiresAt, secrets };
}
