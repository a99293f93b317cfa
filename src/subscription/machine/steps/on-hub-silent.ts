import { askForMissing } from './on-discovered.js';
import { discover, unchanged, withGrant } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { silentHubs } from '../rules/current-grants.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isAsking, isWorking } from '../state.js';

type Of<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** For how long a silent hub is passed over, in milliseconds (PROTOCOL L7). */
const PASSED_OVER_MS = 7 * 86_400_000;

/** Links of pushed content lead to discovery once in so many milliseconds. */
const LINKS_FOLLOWED_EVERY_MS = 86_400_000;

/**
 * Polling found what the hub had not delivered. The second time without a delivery between, the next advertised hub is
 * asked, and the silent one is left once that has verified.
 */
export function hubSilent(
  record: SubscriptionRecord,
  { grantId }: Of<'hub-silent'>,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isWorking(grant) || !isAsking(record)) return unchanged(record);
  const noted = withGrant(record, grantId, (one) => ({ ...one, silentAt: now }));
  if (grant.silentAt === undefined || rules.hubs === 'all') return unchanged(noted);
  const { advertisedHub } = grant;
  const others = (record.silent ?? []).filter(({ hub }) => hub !== advertisedHub);
  const reached = { ...noted, silent: [...others, { hub: advertisedHub, until: now + PASSED_OVER_MS }] };
  if (silentHubs(reached).length > 0) return askForMissing(reached, context);
  // The first one stays, and that is said once.
  const isKnown = others.length !== (record.silent ?? []).length;
  const message = `hub ${grant.hub} does not deliver, and no other advertised hub does: what it does not send is polled`;
  return { record: reached, effects: isKnown ? [] : [{ type: 'warn', message, grantId }] };
}

/** Pushed content names another hub or topic than is known: the publisher is asked, once a day. */
export function linksDiffer(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now } = context;
  const sinceThen = now - (record.linksFollowedAt ?? -Infinity);
  if (!isAsking(record) || (sinceThen >= 0 && sinceThen < LINKS_FOLLOWED_EVERY_MS)) return unchanged(record);
  return discover({ ...record, linksFollowedAt: now }, context);
}
