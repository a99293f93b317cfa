import { authorOf, firstNonEmpty, toParsedEntry, withoutUndefined } from '../entry/entry.js';
import { readDate } from '../entry/entry-date.js';
import { innerBase, resolveUrl, type LinkBase } from '../entry/entry-url.js';
import type { FeedAuthor, ParsedEntry, ParsedFeed } from '../feed.js';
import type { AtomDocument } from '../feedsmith.js';
import { inheritedAuthors } from '../entry/inherited-authors.js';
import { collapseWhitespace, htmlToText } from '../plain-text.js';
import { youtubeVideo } from '../youtube.js';

type AtomEntry = NonNullable<AtomDocument['entries']>[number];
type Links = AtomEntry['links'];
type Persons = AtomEntry['authors'];
type Text = AtomEntry['title'];

/** Converts feedsmith's result for an Atom feed (RFC 4287). */
export function atomFeed(document: AtomDocument, outer: LinkBase): ParsedFeed {
  const base = innerBase(document.xml?.base, outer);
  const authors = authorsOf(document.authors, base);
  const inherited = inheritedAuthors(authors);
  return {
    format: 'atom',
    ...withoutUndefined({
      title: textOf(document.title),
      id: document.id,
      url: alternateUrl(document.links, base),
      updated: readDate(document.updated),
    }),
    authors,
    entries: (document.entries ?? []).map((entry) => atomEntry(entry, base, inherited)),
    raw: document,
  };
}

/** @param inherited returns the feed's authors, for an entry that names none (RFC 4287, section 4.2.1) */
function atomEntry(entry: AtomEntry, feedBase: LinkBase, inherited: () => readonly FeedAuthor[]): ParsedEntry {
  const base = innerBase(entry.xml?.base, feedBase);
  const authors = firstNonEmpty(authorsOf(entry.authors, base), authorsOf(entry.source?.authors, base));
  return toParsedEntry({
    id: entry.id,
    url: alternateUrl(entry.links, base),
    title: textOf(entry.title),
    published: readDate(entry.published),
    updated: readDate(entry.updated),
    authors: authors.length > 0 ? authors : inherited(),
    summary: entry.summary?.value,
    content: entry.content?.value,
    youtube: youtubeVideo(entry.yt),
    raw: entry,
  });
}

/**
 * Returns the web page of a feed or entry: its link `alternate`. A link without a relation counts as `alternate` (RFC
 * 4287, section 4.2.7.2). Of several, the first HTML link wins.
 */
export function alternateUrl(links: Links, base: LinkBase): string | undefined {
  const alternates = (links ?? []).filter(({ rel = 'alternate' }) =>
    /^(?:http:\/\/www\.iana\.org\/assignments\/relation\/)?alternate$/i.test(rel),
  );
  const preferred = alternates.find(({ type = 'text/html' }) => type.startsWith('text/html')) ?? alternates[0];
  return resolveUrl(preferred?.href, base);
}

export function authorsOf(persons: Persons, base: LinkBase): readonly FeedAuthor[] {
  return (persons ?? []).flatMap(({ name, uri, email }) => authorOf(name, uri, email, base));
}

/** Returns the plain text of a text construct (RFC 4287, section 3.1). */
function textOf(text: Text): string | undefined {
  return /html/i.test(text?.type ?? '') ? htmlToText(text?.value) : collapseWhitespace(text?.value);
}
