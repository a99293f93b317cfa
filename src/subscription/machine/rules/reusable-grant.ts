import { endsWithCallbackToken } from '../../registry/callback-key.js';
import type { TransitionContext } from '../events.js';
import { isCurrent } from './current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { hasUnsolicitedDenial, isLive, isOver } from '../state.js';

/** The grant to go on with at a hub: its callback is known there, if only from a request. */
export function reusableGrantAt(
  { grants, topic }: SubscriptionRecord,
  hub: string,
  { callbackOf, hasOneCallback }: Pick<TransitionContext, 'callbackOf' | 'hasOneCallback'>,
): GrantRecord | undefined {
  const isUsable = (grant: GrantRecord): boolean => {
    const { state, verifiedAt, superseded, deniedAt } = grant;
    if (superseded === true) return false;
    // Somebody who should not may know its callback.
    if (hasUnsolicitedDenial(grant) && !hasFixedCallback(grant, { hasOneCallback })) return false;
    if (isOver(grant) && deniedAt !== undefined) return false;
    if (isLive(grant)) return grant.callback === callbackOf(grant.path);
    return state !== 'unsubscribed' || verifiedAt !== undefined;
  };
  const usable = grants.filter((grant) => grant.advertisedHub === hub && grant.topic === topic && isUsable(grant));
  // One that has ended is taken up again only where there is no other: both would be asked for.
  return usable.findLast((grant) => !isOver(grant)) ?? usable.at(-1);
}

/** Whether there is no other callback that a grant could be given. */
export function hasFixedCallback(
  { path }: GrantRecord,
  { hasOneCallback }: Pick<TransitionContext, 'hasOneCallback'>,
): boolean {
  return hasOneCallback === true || !endsWithCallbackToken(path);
}

/** A new grant under a callback that another one had: what the hub of that one still sends is heard. */
export function withTakenOverCallback(grant: GrantRecord, before: GrantRecord): GrantRecord {
  if (before.verifiedAt === undefined || isOver(before)) return grant;
  const { verifiedAt, expiresAt, secrets } = before;
  return { ...grant, state: 'expired', verifiedAt, expiresAt, secrets };
}

/** What is kept of a grant when its callback is given to another hub: until when its own hub is not to be asked. */
export function keptForCooldown(
  record: SubscriptionRecord,
  before: GrantRecord,
  context: Pick<TransitionContext, 'callbackOf'>,
): readonly GrantRecord[] {
  const { pending, refusals = 0, notBefore } = before;
  if (notBefore === undefined || isOver(before) || !isCurrent(record, before, context)) return [];
  const { verifiedAt: _verifiedAt, expiresAt: _expiresAt, renewsAt: _renewsAt, ...known } = before;
  return [
    {
      ...known,
      state: 'failed',
      secrets: [],
      pending: undefined,
      nextAttemptAt: undefined,
      deniedUnsolicited: undefined,
      refusals: pending?.denied === true ? refusals + 1 : before.refusals,
      isDenied: pending?.denied === true ? true : before.isDenied,
    },
  ];
}
