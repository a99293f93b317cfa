import { requestMissing } from './on-discovered.js';
import { onRenewalWanted } from './on-retried.js';
import { andThen, startDiscovery, withoutEffects, withGrant } from '../record-changes.js';
import type { Effect, SilentHubReport, Transition, TransitionContext } from '../transition-types.js';
import { silentHubs } from '../rules/current-grants.js';
import type { GrantRecord, SubscriptionRecord } from '../../record/record.js';
import { isEnabled, isWorking } from '../state.js';

/** Milliseconds that a silent hub is skipped (PROTOCOL L7). */
const SKIP_SILENT_HUB_MS = 7 * 86_400_000;

/** Minimum milliseconds between two renewals because of a silent hub. */
const SILENT_RENEWAL_INTERVAL_MS = 3_600_000;

/** Links in pushed content start a discovery at most once per this many milliseconds. */
const LINKS_FOLLOWED_EVERY_MS = 86_400_000;

/** Polling found entries that the hub had not delivered. The subscription is renewed, at most once an hour. */
export function onHubSilent(
  record: SubscriptionRecord,
  { grantId, missed }: SilentHubReport,
  context: TransitionContext,
): Transition {
  const grant = record.grants.find(({ id }) => id === grantId);
  if (grant === undefined || !isWorking(grant) || !isEnabled(record)) return withoutEffects(record);
  const hook: Effect = { type: 'hook', name: 'hub-silent', grantId, missed };
  const { now } = context;
  const elapsedMs = now - (record.poll?.renewedAt ?? -Infinity);
  // A negative difference means that the clock was set back.
  const isRenewed = elapsedMs >= 0 && elapsedMs < SILENT_RENEWAL_INTERVAL_MS;
  const reported = andThen({ record, effects: [hook] }, (one) => passOverSilentHub(one, grant, context));
  if (isRenewed) return reported;
  return andThen(reported, (one) =>
    onRenewalWanted({ ...one, poll: { ...one.poll, renewedAt: now } }, { isOwed: true }, context),
  );
}

/**
 * If a hub is silent twice without a delivery in between, the next advertised hub is requested. The silent hub is
 * unsubscribed once the next hub has verified.
 */
function passOverSilentHub(record: SubscriptionRecord, grant: GrantRecord, context: TransitionContext): Transition {
  const { now, rules } = context;
  const { id: grantId } = grant;
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
