import { onRenewalWanted } from '../steps/on-retried.js';
import { planCatchUp, withoutCatchUp } from './catch-up-plan.js';
import { withoutEffects } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled } from '../state.js';

/** Milliseconds between checks for free room in the inbox. */
export const ROOM_CHECK_MS = 10_000;

/** Milliseconds over which fetches and renewals are spread once there is room. */
const SPREAD_MS = 600_000;

/**
 * Genuine content was answered 503. Many hubs do not send it again (PROTOCOL C7). Once there is room, the topic is
 * fetched and the subscription renewed, once per overload.
 */
export function onContentRefused(
  record: SubscriptionRecord,
  { since }: InputOf<'content-refused'>,
  context: TransitionContext,
): Transition {
  if (record.catchUp?.refused !== undefined || !isEnabled(record)) return withoutEffects(record);
  const { gapSince = since } = record;
  const gap = context.rules.catchUp === false ? {} : { gapSince: Math.min(since, gapSince) };
  const waiting = { at: context.now + ROOM_CHECK_MS, refused: 'waiting' } as const;
  return withoutEffects(planCatchUp({ ...record, ...gap, renewalOwed: true }, context, waiting));
}

/** There is room for events. After a random wait, the subscription is renewed, and its topic fetched. */
export function onRoomFound(
  record: SubscriptionRecord,
  { gapId }: InputOf<'room-found'>,
  context: TransitionContext,
): Transition {
  const { catchUp, renewalOwed } = record;
  if (catchUp?.id !== gapId) return withoutEffects(record);
  const { now, random, rules } = context;
  if (catchUp.refused === 'waiting') {
    const at = now + Math.floor(random * SPREAD_MS);
    return withoutEffects(planCatchUp(record, context, { at, refused: 'spread' }));
  }
  if (catchUp.refused === undefined && renewalOwed === undefined) return withoutEffects(record);
  const started =
    rules.catchUp === false ? withoutCatchUp(record) : { ...record, catchUp: { ...catchUp, refused: undefined } };
  return renewalOwed === true ? onRenewalWanted(started, { isOwed: true }, context) : withoutEffects(started);
}

/** There is no room again, after the fetch was planned. */
export function onRoomMissing(
  record: SubscriptionRecord,
  { gapId }: InputOf<'room-missing'>,
  context: TransitionContext,
): Transition {
  const { catchUp } = record;
  if (catchUp?.id !== gapId || catchUp.refused !== 'spread') return withoutEffects(record);
  return withoutEffects(planCatchUp(record, context, { at: context.now + ROOM_CHECK_MS, refused: 'waiting' }));
}
