import { atomFeed } from './atom.js';
import type { LinkBase } from '../entry/entry-url.js';
import type { FeedFormat, ParsedEntry, ParsedFeed } from '../feed.js';
import { excerpt, malformedXmlError, notAFeedError } from '../feed-error.js';
import { onDemand } from '../../on-demand.js';
import { rdfFeed } from './rdf.js';
import { rssFeed } from './rss.js';
import { sanitizeXml } from './sanitize-xml.js';
import { readDeletedEntries, type DeletedEntry } from './deleted-entries.js';

/** Formats by the root's local name in lower case. Feeds use any case. */
const FORMATS: ReadonlyMap<string, FeedFormat> = new Map([
  ['feed', 'atom'],
  ['entry', 'atom'],
  ['deleted-entry', 'atom'],
  ['rss', 'rss'],
  ['rdf', 'rdf'],
]);

/**
 * Reads an XML feed.
 *
 * @param text the text from the start of the root
 * @param root the root's name
 * @throws SyntaxError when it is no feed or is not well-formed
 * @throws RangeError when it is over a bound of PROTOCOL D12
 */
export function readXmlFeed(text: string, root: string, base: LinkBase): ParsedFeed {
  const localName = root.slice(root.indexOf(':') + 1).toLowerCase();
  const format = FORMATS.get(localName);
  if (format === undefined || format === 'json-feed') throw noFeedRootError(root);
  const xml = sanitizeXml(text, format);
  if (format === 'rss')
    return rssFeed(tryParse(() => onDemand('feedsmith').parseRssFeed(withoutDefaultNamespace(xml)), root) ?? {}, base);
  if (format === 'atom') return readAtom(xml, localName, root, base);
  const document = tryParse(() => onDemand('feedsmith').parseRdfFeed(xml), root);
  // Most RDF documents are not feeds.
  if (document === undefined) throw noFeedRootError(root);
  return rdfFeed(document, base);
}

function readAtom(xml: string, localName: string, root: string, base: LinkBase): ParsedFeed {
  const deletedEntries = xml.includes('deleted-entry') ? readDeletedEntries(xml, base) : [];
  const isFeed = localName === 'feed';
  // Feedsmith reads only feeds, so wrap a single entry in one.
  const feedXml = isFeed ? xml : `<feed xmlns="http://www.w3.org/2005/Atom">${xml}</feed>`;
  const feed = atomFeed(tryParse(() => onDemand('feedsmith').parseAtomFeed(feedXml), root) ?? {}, base);
  const entries = mergeDeletedEntries(feed.entries, deletedEntries);
  // Other XML formats also use these root names.
  if (!isFeed && entries.length === 0) throw noFeedRootError(root);
  return { ...feed, entries };
}

/** Hides a default namespace. RSS has none, and with one feedsmith finds no RSS elements. */
function withoutDefaultNamespace(xml: string): string {
  return xml.replace(/^(<[^>]*?\s)xmlns(?=\s*=)/, '$1unread-xmlns');
}

/** Parses with feedsmith; undefined when feedsmith finds no element that it knows. */
function tryParse<T>(parse: () => T, root: string): T | undefined {
  // Loaded outside `try`: a package that fails to load must not count as a broken document.
  const { ParseError, DetectError } = onDemand('feedsmith');
  try {
    return parse();
  } catch (error) {
    if (error instanceof ParseError) return undefined;
    if (error instanceof DetectError) throw noFeedRootError(root);
    const { message } = error instanceof Error && error.cause instanceof Error ? error.cause : new Error(String(error));
    if (/nested/i.test(message))
      throw new RangeError(`The XML in <${excerpt(root)}> is nested too deep`, { cause: error });
    throw malformedXmlError(`${excerpt(message)} (in <${excerpt(root)}>)`, { cause: error });
  }
}

function noFeedRootError(root: string): SyntaxError {
  return notAFeedError(root === '' ? 'text without an element' : `XML with the root element <${excerpt(root)}>`);
}

/** Inserts each deleted entry at its position in the document. */
function mergeDeletedEntries(
  entries: readonly ParsedEntry[],
  deletedEntries: readonly DeletedEntry[],
): readonly ParsedEntry[] {
  const merged: ParsedEntry[] = [];
  let placed = 0;
  for (const { entry, entriesBefore } of deletedEntries) {
    merged.push(...entries.slice(placed, entriesBefore), entry);
    placed = Math.max(placed, entriesBefore);
  }
  return [...merged, ...entries.slice(placed)];
}
