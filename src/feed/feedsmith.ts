import type * as Feedsmith from 'feedsmith';

/** What feedsmith makes of a document in Atom. */
export type AtomDocument = ReturnType<typeof Feedsmith.parseAtomFeed<string>>;
/** What feedsmith makes of a document in RSS. */
export type RssDocument = ReturnType<typeof Feedsmith.parseRssFeed<string>>;
/** What feedsmith makes of a document in RDF. */
export type RdfDocument = ReturnType<typeof Feedsmith.parseRdfFeed<string>>;
