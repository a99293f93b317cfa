import { requestMissing } from './on-discovered.js';
import { startDiscovery, unchanged, withGrant } from '../changes.js';
import type { SubscriptionEvent, Transition, TransitionContext } from '../events.js';
import { silentHubs } from '../rules/current-grants.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isWorking } from '../state.js';

type EventOf<Type extends SubscriptionEvent['type']> = Extract<SubscriptionEvent, { type: Type }>;

/** For how long a silent hub is passed over, in milliseconds (PROTOCOL L7). */
const SKIP_SILENT_HUB_MS = 7 * 86_400_000;

/** Links of pushed content lead to discovery once in so many milliseconds. */
const LINKS_FOLLOWED_EVERY_MS = 86_400_000;

/**
 * Polling found what the hub had not delivered. The second time without a delivery between, the next advertised hub is
 * asked, and the silent one is left once that has verified.
 */
export function onHubSilent(
  record: SubscriptionRecord,
  { grantId }: EventOf<'hub-silent'>,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isWorking(grant) || !isEnabled(record)) return unchanged(record);
  const marked = withGrant(record, grantId, (one) => ({ ...one, silentAt: now }));
  if (grant.silentAt === undefined || rules.hubs === 'all') return unchanged(marked);
  const { advertisedHub } = grant;
  const others = (record.silent ?? []).filter(({ hub }) => hub !== advertisedHub);
  const reached = { ...marked, silent: [...others, { hub: advertisedHub, until: now + SKIP_SILENT_HUB_MS }] };
  if (silentHubs(reached).length > 0) return requestMissing(reached, context);
  // The first one stays, and that is said once.
  const isKnown = others.length !== (record.silent ?? []).length;
  const message = `hub ${grant.hub} does not deliver, and no other advertised hub does: what it does not send is polled`;
  return { record: reached, effects: isKnown ? [] : [{ type: 'warn', message, grantId }] };
}

/** Pushed content names another hub or topic than is known: the publisher is asked, once a day. */
export function onLinksDiffer(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now } = context;
  const sinceThen = now - (record.linksFollowedAt ?? -Infinity);
  if (!isEnabled(record) || (sinceThen >= 0 && sinceThen < LINKS_FOLLOWED_EVERY_MS)) return unchanged(record);
  return startDiscovery({ ...record, linksFollowedAt: now }, context);
}
