import { isRecord } from '../encoding/is-record.js';
import type { DocumentUrls } from './document-urls.js';
import { createMemberReader } from './json-members.js';
import { MAX_ENTRIES, type LinkReader } from './link-reader.js';
import { MAX_LINKS, isHubLink, topicLinks, LinkCollector } from './topic-links.js';

/**
 * Reads `hubs` of type WebSub, and `feed_url`, the self link of a JSON Feed (JSON Feed 1.1, "hubs"). Stops at `items`
 * once hub and self are known, else at the end of the feed or at too many entries (PROTOCOL D12). These member names
 * are recognized only without escapes.
 *
 * @param urls resolves the feed's links
 */
export function createJsonFeedLinkReader(urls: DocumentUrls): LinkReader {
  const collector = new LinkCollector();
  let name = '';
  let self: string | undefined;
  /** Counts all elements of `hubs`: each one that is not JSON costs an exception. */
  let hubCount = 0;
  let entries = 0;
  let isHubKnown = false;
  let cutAt: string | undefined;
  let isDone = false;

  function addHub(text: string): void {
    hubCount += 1;
    const hub = hubCount > MAX_LINKS ? undefined : parseHub(text);
    const link = hub === undefined ? undefined : collector.add('hub', () => ({ href: hub }));
    if (link !== undefined && !isHubKnown) isHubKnown = isHubLink(link, urls);
  }

  function countEntry(): void {
    entries += 1;
    if (entries <= MAX_ENTRIES) return;
    cutAt = `${MAX_ENTRIES} entries`;
    isDone = true;
  }

  const read = createMemberReader({
    member(memberName) {
      name = memberName;
      // Members may come in any order: the topic may come after the items.
      if (name === '"items"' && isHubKnown && self !== undefined) isDone = true;
      if (isDone) return 'stop';
      return name === '"hubs"' || name === '"feed_url"' ? 'keep' : 'skip';
    },
    value(text, isElement) {
      if (isDone) return;
      if (name === '"items"' && isElement) countEntry();
      else if (text !== undefined && name === '"feed_url"' && !isElement) self = text;
      else if (text !== undefined && name === '"hubs"' && isElement) addHub(text);
    },
  });

  return {
    write(text) {
      if (!isDone) read(text);
      return isDone;
    },
    end() {
      const href = self === undefined ? undefined : parseJson(self);
      if (typeof href === 'string') collector.add('self', () => ({ href }));
      const links = topicLinks(collector.take(), urls);
      return cutAt === undefined ? links : { ...links, cutAt };
    },
  };
}

/** Returns the URL of a hub of type WebSub; undefined for any other hub. */
function parseHub(text: string): string | undefined {
  const hub = parseJson(text);
  if (!isRecord(hub)) return undefined;
  const { type, url } = hub;
  const isWebSub = typeof type === 'string' && type.toLowerCase() === 'websub';
  return isWebSub && typeof url === 'string' ? url : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
