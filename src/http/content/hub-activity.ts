import { comparableUrl } from '../../protocol/hub-query.js';
import { linksFromHeaders } from '../../protocol/links/link-header.js';
import type { CallbackMatch, Entry } from '../../subscription/registry/registry.js';
import { isNews } from '../../subscription/machine/steps/on-hub-delivered.js';
import type { SubscriptionEvent } from '../../subscription/machine/events.js';
import type { CallbackRequest } from '../callback-request.js';
import type { CallbackContext, ServedMatch } from '../callback-context.js';

/** Genuine content says more than its body: that its hub delivers, and where the topic is (PROTOCOL N1, L7). */
export function heardFromHub(
  context: CallbackContext,
  match: ServedMatch,
  request: CallbackRequest,
  isSigned: boolean,
): void {
  const { grant } = match;
  if (isNews(grant, isSigned)) note(context, match, { type: 'delivers', grantId: grant.id, isSigned });
  if (namesOtherPlace(match, request.header('link'))) note(context, match, { type: 'links-differ' });
}

/** The answer does not wait for it. Should it be lost, the next delivery says the same. */
function note({ registry, logger }: CallbackContext, { entry }: ServedMatch, event: SubscriptionEvent): void {
  const { id } = entry.record;
  registry.apply(id, event).catch((cause: unknown) => {
    logger.error({ subscription: id, err: cause }, 'what a delivery says of its hub could not be noted');
  });
}

/** The `Link` header that came last with content, by subscription: an equal one is not looked at again. */
const lastSeen = new WeakMap<Entry, string>();

/** A longer header is not looked at. */
const MOST_CHARACTERS = 16_384;

/**
 * Whether the `Link` headers of pushed content name another hub or topic than the subscription knows (PROTOCOL L7): http
 * and https are the same place here.
 *
 * @param link all of them, joined by commas; undefined where there is none
 */
function namesOtherPlace({ entry, grant }: CallbackMatch, link: string | undefined): boolean {
  if (link === undefined || lastSeen.get(entry) === link) return false;
  lastSeen.set(entry, link);
  if (link.length > MOST_CHARACTERS) return false;
  const { hubs, topic } = entry.record;
  const { hubs: namedHubs, selfs } = linksFromHeaders([link], grant.topic);
  const known = new Set([...hubs, grant.advertisedHub, grant.hub].map(place));
  const topics = new Set([grant.topic, topic ?? grant.topic].map(place));
  return namedHubs.some((hub) => !known.has(place(hub))) || selfs.some((self) => !topics.has(place(self)));
}

/** The form in which URLs of the same place are equal. */
function place(url: string): string {
  return comparableUrl(url.replace(/^http:/i, 'https:'));
}
