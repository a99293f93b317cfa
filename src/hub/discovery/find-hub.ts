import type { DocumentFormat } from '../../protocol/links/document-format.js';
import { createDocumentLinkReader } from '../../protocol/links/document-links.js';
import { linksFromHeaders } from '../../protocol/links/link-header.js';
import { parseMediaType } from '../../protocol/encoding/media-type.js';
import type { TopicLinks } from '../../protocol/links/topic-links.js';
import { searchedPlacesText, shortenUrls, type FailedSearch } from './discovery-error.js';
import type { OpenDocument } from './document.js';

/** The place of the links to hub and topic: the `Link` headers, or a document in the named format. */
export type DiscoverySource = 'link-header' | Exclude<DocumentFormat, 'unknown'>;

/** The links to hub and topic, and their place. */
export interface HubLinks {
  readonly via: DiscoverySource;
  readonly links: TopicLinks;
}

/** The result of searching one document. */
export interface HubSearch extends FailedSearch {
  /** The URL that answered, after redirects. */
  readonly url: string;
  readonly hubLinks?: HubLinks;
  readonly warnings: readonly string[];
  /** The alternate feed to read, if the page names no hub. */
  readonly feed?: string | undefined;
}

/** Maximum bytes to read of a document, after `Content-Encoding` is undone. */
const MAX_DOCUMENT_BYTES = 5 * 1024 * 1024;

/**
 * Looks for a hub in the `Link` headers of an answer, then in its document, then in the `Link` headers of the redirects
 * before it, last one first (PROTOCOL D1, D11). Reads no more of the document than it needs.
 *
 * @param lastFeed the alternate feed used last. It is read again while the page lists it.
 */
export async function findHub(document: OpenDocument, lastFeed: string | undefined): Promise<HubSearch> {
  const { url, status, headers, redirects, redact } = document;
  const sanitize = (text: string): string => shortenUrls(redact(text));
  const base = { url, status, warnings: [], isTruncated: false, searchedPlaces: '', sanitize };
  const inHeaders = linksFromHeaders([headers.get('link') ?? ''], url);
  if (inHeaders.hubs.length > 0) return { ...base, hubLinks: { via: 'link-header', links: inHeaders } };

  const contentType = headers.get('content-type');
  const reader = createDocumentLinkReader({ url, contentType });
  const outcome = await document.read((bytes) => reader.write(bytes), MAX_DOCUMENT_BYTES);
  const { format, feeds = [], cutAt, ...links } = reader.end();
  const limit = cutAt ?? (outcome === 'too-large' ? `${MAX_DOCUMENT_BYTES} bytes` : undefined);
  if (format !== 'unknown' && links.hubs.length > 0) {
    const warnings = limit === undefined ? [] : [`Only the first ${limit} of ${url} were searched for hubs`];
    return { ...base, warnings, hubLinks: { via: format, links } };
  }
  for (const redirect of redirects) {
    const inRedirect = linksFromHeaders([redirect.link ?? ''], redirect.url);
    if (inRedirect.hubs.length > 0) return { ...base, hubLinks: { via: 'link-header', links: inRedirect } };
  }
  const mediaType = parseMediaType(contentType).type;
  const withLinks = redirects.flatMap(({ link, url: from }) => (link === null ? [] : [from]));
  const searchedPlaces = searchedPlacesText({ url, status, mediaType, format, limit, redirects: withLinks });
  const self = [...inHeaders.selfs, ...links.selfs][0];
  return {
    ...base,
    feed: selectFeed(feeds, lastFeed),
    isTruncated: limit !== undefined,
    searchedPlaces: sanitize(searchedPlaces),
    self,
  };
}

function selectFeed(feeds: Iterable<string>, lastFeed: string | undefined): string | undefined {
  let first: string | undefined;
  for (const feed of feeds) {
    if (lastFeed === undefined || feed === lastFeed) return feed;
    first ??= feed;
  }
  return first;
}
