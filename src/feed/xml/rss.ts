import { alternateUrl, authorsOf } from './atom.js';
import { authorOf, firstNonEmpty, toParsedEntry, withoutUndefined } from '../entry/entry.js';
import { readDate } from '../entry/entry-date.js';
import { innerBase, resolveUrl, type LinkBase } from '../entry/entry-url.js';
import type { ParsedEntry, ParsedFeed } from '../feed.js';
import type { RssDocument } from '../feedsmith.js';
import { htmlToText } from '../plain-text.js';

type RssItem = NonNullable<RssDocument['items']>[number];

/** Converts feedsmith's result for an RSS feed, 0.91 to 2.0. */
export function rssFeed(document: RssDocument, outer: LinkBase): ParsedFeed {
  const base = innerBase(document.xml?.base, outer);
  const { name, link, email } = document.managingEditor ?? {};
  return {
    format: 'rss',
    ...withoutUndefined({
      title: htmlToText(document.title),
      id: document.atom?.id,
      url: resolveUrl(document.link, base) ?? alternateUrl(document.atom?.links, base),
      updated: readDate(document.lastBuildDate ?? document.pubDate ?? document.atom?.updated),
    }),
    authors: firstNonEmpty(
      authorOf(name, link, email, base),
      authorsOf(document.atom?.authors, base),
      authorOf(document.itunes?.author, undefined, undefined, base),
    ),
    entries: (document.items ?? []).map((item) => rssItem(item, base)),
    raw: document,
  };
}

function rssItem(item: RssItem, feedBase: LinkBase): ParsedEntry {
  const base = innerBase(item.xml?.base, feedBase);
  return toParsedEntry({
    id: item.guid?.value ?? item.atom?.id,
    url: resolveUrl(item.link, base) ?? permalink(item, base) ?? alternateUrl(item.atom?.links, base),
    title: htmlToText(item.title ?? item.atom?.title?.value),
    published: readDate(item.pubDate ?? item.atom?.published ?? item.dc?.dates?.[0]),
    updated: readDate(item.atom?.updated ?? item.dcterms?.modified?.[0]),
    authors: firstNonEmpty(
      item.authors?.flatMap(({ name, link, email }) => authorOf(name, link, email, base)),
      item.dc?.creators?.flatMap((name) => authorOf(name, undefined, undefined, base)),
      authorsOf(item.atom?.authors, base),
      authorOf(item.itunes?.author, undefined, undefined, base),
    ),
    summary: item.description ?? item.atom?.summary?.value,
    content: item.content?.encoded ?? item.atom?.content?.value,
    raw: item,
  });
}

/**
 * Returns the guid as a URL. A guid is a permalink by default, but many feeds also leave the default for other ids. So
 * only an http or https URL counts.
 */
function permalink({ guid }: RssItem, base: LinkBase): string | undefined {
  const isUrl = guid?.isPermaLink !== false && /^https?:\/\//i.test(guid?.value ?? '');
  return isUrl && guid?.value !== undefined ? resolveUrl(guid.value, base) : undefined;
}
