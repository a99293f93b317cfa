import { endsWithCallbackToken } from '../../registry/callback-key.js';
import type { TransitionContext } from '../transition-types.js';
import { isCurrent } from './current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasUnsolicitedDenial, isLive, isOver } from '../state.js';

/** The grant to continue with at a hub. The hub knows its callback, if only from a request. */
export function reusableGrantAt(
  { grants, topic }: SubscriptionRecord,
  hub: string,
  { callbackOf, hasOneCallback }: Pick<TransitionContext, 'callbackOf' | 'hasOneCallback'>,
): GrantRecord | undefined {
  const isUsable = (grant: GrantRecord): boolean => {
    const { state, verifiedAt, superseded, deniedAt } = grant;
    if (superseded === true) return false;
    // A stranger may know its callback.
    if (hasUnsolicitedDenial(grant) && !hasFixedCallback(grant, { hasOneCallback })) return false;
    if (isOver(grant) && deniedAt !== undefined) return false;
    if (isLive(grant)) return grant.callback === callbackOf(grant.path);
    return state !== 'unsubscribed' || verifiedAt !== undefined;
  };
  const usable = grants.filter((grant) => grant.advertisedHub === hub && grant.topic === topic && isUsable(grant));
  // A grant that is over is reused only if there is no other. Otherwise both would be requested.
  return usable.findLast((grant) => !isOver(grant)) ?? usable.at(-1);
}

/** Whether the grant cannot get another callback. */
export function hasFixedCallback(
  { path }: GrantRecord,
  { hasOneCallback }: Pick<TransitionContext, 'hasOneCallback'>,
): boolean {
  return hasOneCallback === true || !endsWithCallbackToken(path);
}

/** A new grant under the callback of a previous grant. Content that the previous hub still sends is accepted. */
export function withTakenOverCallback(grant: GrantRecord, previous: GrantRecord): GrantRecord {
  if (previous.verifiedAt === undefined || isOver(previous)) return grant;
  const { verifiedAt, expiresAt, secrets } = previous;
  return { ...grant, state: 'expired', verifiedAt, expiresAt, secrets };
}

/** The grant to keep when its callback goes to another hub. It stores when its own hub may be requested again. */
export function keptForCooldown(
  record: SubscriptionRecord,
  previous: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): readonly GrantRecord[] {
  const { pending, refusals = 0, notBefore } = previous;
  if (notBefore === undefined || isOver(previous) || !isCurrent(record, previous, context)) return [];
  const { verifiedAt: _verifiedAt, expiresAt: _expiresAt, renewsAt: _renewsAt, ...known } = previous;
  return [
    {
      ...known,
      state: 'failed',
      secrets: [],
      pending: undefined,
      nextAttemptAt: undefined,
      deniedUnsolicited: undefined,
      refusals: pending?.denied === true ? refusals + 1 : previous.refusals,
      wasLastRequestDenied: pending?.denied === true ? true : previous.wasLastRequestDenied,
    },
  ];
}
