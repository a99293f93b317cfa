import { isRecord } from '../encoding/is-record.js';
import type { DocumentUrls } from './document-urls.js';
import { createMemberReader } from './json-members.js';
import { MAX_ENTRIES, type LinkReader } from './link-reader.js';
import { MAX_LINKS, isHubLink, topicLinks, LinkCollector } from './topic-links.js';

/**
 * Reads `hubs` of type WebSub and `feed_url`, which is a JSON Feed's self link (JSON Feed 1.1, "hubs"). Done at `items`
 * once a hub is known, else where the feed ends or has more entries than are read (PROTOCOL D12). The names of these
 * members are found only where they are written without escapes.
 *
 * @param urls resolves the feed's links
 */
export function createJsonFeedLinkReader(urls: DocumentUrls): LinkReader {
  const collector = new LinkCollector();
  let name = '';
  let self: string | undefined;
  /** Elements of `hubs`, whatever they are: each that is no JSON costs an error. */
  let hubCount = 0;
  let entries = 0;
  let hubKnown = false;
  let cutAt: string | undefined;
  let done = false;

  function addHub(text: string): void {
    hubCount += 1;
    const hub = hubCount > MAX_LINKS ? undefined : parseHub(text);
    const link = hub === undefined ? undefined : collector.add('hub', () => ({ href: hub }));
    if (link !== undefined && !hubKnown) hubKnown = isHubLink(link, urls);
  }

  function countEntry(): void {
    entries += 1;
    if (entries <= MAX_ENTRIES) return;
    cutAt = `${MAX_ENTRIES} entries`;
    done = true;
  }

  const read = createMemberReader({
    member(found) {
      name = found;
      // The order of members means nothing: the topic may stand behind the entries.
      if (name === '"items"' && hubKnown && self !== undefined) done = true;
      if (done) return 'stop';
      return name === '"hubs"' || name === '"feed_url"' ? 'keep' : 'skip';
    },
    value(text, isElement) {
      if (done) return;
      if (name === '"items"' && isElement) countEntry();
      else if (text !== undefined && name === '"feed_url"' && !isElement) self = text;
      else if (text !== undefined && name === '"hubs"' && isElement) addHub(text);
    },
  });

  return {
    write(text) {
      if (!done) read(text);
      return done;
    },
    end() {
      const href = self === undefined ? undefined : parseJson(self);
      if (typeof href === 'string') collector.add('self', () => ({ href }));
      const found = topicLinks(collector.take(), urls);
      return cutAt === undefined ? found : { ...found, cutAt };
    },
  };
}

/** The URL of a hub of type WebSub. */
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
