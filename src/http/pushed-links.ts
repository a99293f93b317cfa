import { isSameTopic } from '../protocol/hub-query.js';
import { linksFromHeaders } from '../protocol/link-header.js';
import type { CallbackMatch, Entry } from '../subscription/registry.js';

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
export function namesOtherPlace({ entry, grant }: CallbackMatch, link: string | undefined): boolean {
  if (link === undefined || lastSeen.get(entry) === link) return false;
  lastSeen.set(entry, link);
  if (link.length > MOST_CHARACTERS) return false;
  const { hubs, topic } = entry.record;
  const { hubs: namedHubs, selfs } = linksFromHeaders([link], grant.topic);
  const known = [...hubs, grant.advertisedHub, grant.hub];
  const topics = topic === undefined ? [grant.topic] : [grant.topic, topic];
  return namedHubs.some((hub) => !isAmong(known, hub)) || selfs.some((self) => !isAmong(topics, self));
}

function isAmong(known: readonly string[], url: string): boolean {
  return known.some((each) => isSameTopic(withoutScheme(each), withoutScheme(url)));
}

function withoutScheme(url: string): string {
  return url.replace(/^http:/i, 'https:');
}
