import { requestMissing } from './on-discovered.js';
import { startDiscovery, withoutEffects, withGrant } from '../record-changes.js';
import type { InputOf, Transition, TransitionContext } from '../transition-types.js';
import { silentHubs } from '../rules/current-grants.js';
import type { SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isWorking } from '../state.js';

/** Milliseconds that a silent hub is skipped (PROTOCOL L7). */
const SKIP_SILENT_HUB_MS = 7 * 86_400_000;

/** Links in pushed content start a discovery at most once per this many milliseconds. */
const LINKS_FOLLOWED_EVERY_MS = 86_400_000;

/**
 * Polling found entries that the hub had not delivered. If this happens twice without a delivery in between, the next
 * advertised hub is requested. The silent hub is unsubscribed once the next hub has verified.
 */
export function onHubSilent(
  record: SubscriptionRecord,
  { grantId }: InputOf<'hub-silent'>,
  context: TransitionContext,
): Transition {
  const { now, rules } = context;
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isWorking(grant) || !isEnabled(record)) return withoutEffects(record);
  const marked = withGrant(record, grantId, (one) => ({ ...one, silentAt: now }));
  if (grant.silentAt === undefined || rules.hubs === 'all') return withoutEffects(marked);
  const { advertisedHub } = grant;
  const others = (record.silent ?? []).filter(({ hub }) => hub !== advertisedHub);
  const updated = { ...marked, silent: [...others, { hub: advertisedHub, until: now + SKIP_SILENT_HUB_MS }] };
  if (silentHubs(updated).length > 0) return requestMissing(updated, context);
  // All advertised hubs are silent, so none is skipped and the working grant stays. Warns once.
  const isKnown = others.length !== (record.silent ?? []).length;
  return { record: updated, effects: isKnown ? [] : [{ type: 'log', event: 'hub.all-silent', grantId }] };
}

/** Pushed content names another hub or topic than the stored ones. Discovery starts, at most once a day. */
export function onLinksDiffer(record: SubscriptionRecord, context: TransitionContext): Transition {
  const { now } = context;
  const elapsedMs = now - (record.linksFollowedAt ?? -Infinity);
  if (!isEnabled(record) || (elapsedMs >= 0 && elapsedMs < LINKS_FOLLOWED_EVERY_MS)) return withoutEffects(record);
  return startDiscovery({ ...record, linksFollowedAt: now }, context);
}
