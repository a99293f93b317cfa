import { alternateUrl, authorsOf } from './atom.js';
import { authorOf, firstNonEmpty, toParsedEntry, withoutUndefined } from '../entry/entry.js';
import { readDate } from '../entry/entry-date.js';
import { innerBase, resolveUrl, type LinkBase } from '../entry/entry-url.js';
import type { FeedAuthor, ParsedEntry, ParsedFeed } from '../feed.js';
import type { RdfDocument } from '../feedsmith.js';
import { htmlToText } from '../plain-text.js';

type RdfItem = NonNullable<RdfDocument['items']>[number];

/** Converts feedsmith's result for RSS 1.0 or 0.90, which are RDF. */
export function rdfFeed(document: RdfDocument, outer: LinkBase): ParsedFeed {
  const base = innerBase(document.xml?.base, outer);
  return {
    format: 'rdf',
    ...withoutUndefined({
      title: htmlToText(document.title),
      id: document.rdf?.about,
      url: resolveUrl(document.link, base) ?? alternateUrl(document.atom?.links, base),
      updated: readDate(document.dc?.dates?.[0]),
    }),
    authors: creatorsOf(document, base),
    entries: (document.items ?? []).map((item) => rdfItem(item, base)),
    raw: document,
  };
}

function rdfItem(item: RdfItem, feedBase: LinkBase): ParsedEntry {
  const base = innerBase(item.xml?.base, feedBase);
  return toParsedEntry({
    id: item.rdf?.about ?? item.atom?.id,
    url: resolveUrl(item.link, base) ?? alternateUrl(item.atom?.links, base),
    title: htmlToText(item.title),
    published: readDate(item.dc?.dates?.[0] ?? item.atom?.published),
    updated: readDate(item.dcterms?.modified?.[0] ?? item.atom?.updated),
    authors: creatorsOf(item, base),
    summary: item.description,
    content: item.content?.encoded,
    raw: item,
  });
}

function creatorsOf({ dc, atom }: Pick<RdfItem, 'dc' | 'atom'>, base: LinkBase): readonly FeedAuthor[] {
  const creators = dc?.creators?.flatMap((name) => authorOf(name, undefined, undefined, base));
  return firstNonEmpty(creators, authorsOf(atom?.authors, base));
}
