import { normalizeUrl } from '../../protocol/hub-query.js';
import { linksFromHeaders } from '../../protocol/links/link-header.js';
import type { CallbackMatch, StoredSubscription } from '../../subscription/registry/registry.js';
import { isHubRecovery } from '../../subscription/machine/steps/on-hub-delivered.js';
import type { SubscriptionEvent } from '../../subscription/machine/events.js';
import type { CallbackRequest } from '../callback-request.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';

/** Genuine content says more than its body: that its hub delivers, and where the topic is (PROTOCOL N1, L7). */
export function noteHubActivity(
  context: CallbackContext,
  match: ServedMatch,
  request: CallbackRequest,
  isSigned: boolean,
): void {
  const { grant } = match;
  if (isHubRecovery(grant, isSigned))
    applyEvent(context, match, { type: 'hub-delivered', grantId: grant.id, isSigned });
  if (namesOtherHubOrTopic(match, request.header('link'))) applyEvent(context, match, { type: 'links-differ' });
}

/** The answer does not wait for it. Should it be lost, the next delivery says the same. */
function applyEvent({ registry, logger }: CallbackContext, { stored }: ServedMatch, event: SubscriptionEvent): void {
  const { id } = stored.record;
  registry.apply(id, event).catch((cause: unknown) => {
    logger.error({ subscription: id, err: cause }, 'what a delivery says of its hub could not be noted');
  });
}

/** The `Link` header that came last with content, by subscription: an equal one is not looked at again. */
const lastLinkHeader = new WeakMap<StoredSubscription, string>();

/** A longer header is not looked at. */
const MAX_HEADER_LENGTH = 16_384;

/**
 * Whether the `Link` headers of pushed content name another hub or topic than the subscription knows (PROTOCOL L7): http
 * and https are the same place here.
 *
 * @param link all of them, joined by commas; undefined where there is none
 */
function namesOtherHubOrTopic({ stored, grant }: CallbackMatch, link: string | undefined): boolean {
  if (link === undefined || lastLinkHeader.get(stored) === link) return false;
  lastLinkHeader.set(stored, link);
  if (link.length > MAX_HEADER_LENGTH) return false;
  const { hubs, topic } = stored.record;
  const { hubs: namedHubs, selfs } = linksFromHeaders([link], grant.topic);
  const known = new Set([...hubs, grant.advertisedHub, grant.hub].map(normalizedUrl));
  const topics = new Set([grant.topic, topic ?? grant.topic].map(normalizedUrl));
  return (
    namedHubs.some((hub) => !known.has(normalizedUrl(hub))) || selfs.some((self) => !topics.has(normalizedUrl(self)))
  );
}

/** The form in which URLs of the same place are equal. */
function normalizedUrl(url: string): string {
  return normalizeUrl(url.replace(/^http:/i, 'https:'));
}
