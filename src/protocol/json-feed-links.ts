import { createMemberFinder } from './json-member.js';
import type { LinkReader } from './link-reader.js';
import { topicLinks, type TopicLinks, type WrittenLink } from './topic-links.js';

/** How far `items` is looked for, in characters. */
const HEAD_LENGTH = 65_536;

/**
 * Reads `hubs` of type WebSub and `feed_url`, which is a JSON Feed's self link (JSON Feed 1.1, "hubs"). Done at `items`
 * once a hub is known; otherwise all of it is read. What does not parse has no links.
 *
 * @param url where the document came from
 */
export function createJsonFeedLinkReader(url: string): LinkReader {
  const pieces: string[] = [];
  const findItems = createMemberFinder('items');
  let length = 0;
  let isHeadRead = false;
  let head: TopicLinks | undefined;

  return {
    write(text) {
      pieces.push(text);
      if (isHeadRead) return head !== undefined;
      const itemsAt = findItems(text.slice(0, HEAD_LENGTH - length));
      length += text.length;
      isHeadRead = itemsAt !== undefined || length >= HEAD_LENGTH;
      if (itemsAt === undefined) return false;
      const links = jsonFeedLinks(parseJson(closed(pieces.join('').slice(0, itemsAt))), url);
      if (links.hubs.length > 0) head = links;
      return head !== undefined;
    },
    end() {
      return head ?? jsonFeedLinks(parseJson(pieces.join('')), url);
    },
  };
}

/** The beginning of a JSON object as an object of its own. */
function closed(members: string): string {
  return `${members.trimEnd().replace(/,$/, '')}}`;
}

function jsonFeedLinks(feed: unknown, base: string): TopicLinks {
  const links: WrittenLink[] = [];
  if (!isObject(feed)) return topicLinks(links);
  const { hubs, feed_url: self } = feed;
  if (typeof self === 'string') links.push({ rel: 'self', href: self, base });
  for (const hub of Array.isArray(hubs) ? hubs.filter(isObject) : []) {
    const { type, url } = hub;
    const isWebSub = typeof type === 'string' && type.toLowerCase() === 'websub';
    if (isWebSub && typeof url === 'string') links.push({ rel: 'hub', href: url, base });
  }
  return topicLinks(links);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
