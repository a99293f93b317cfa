import type * as Feedsmith from 'feedsmith';

/** Feedsmith's result for an Atom document. */
export type AtomDocument = ReturnType<typeof Feedsmith.parseAtomFeed<string>>;
/** Feedsmith's result for an RSS document. */
export type RssDocument = ReturnType<typeof Feedsmith.parseRssFeed<string>>;
/** Feedsmith's result for an RDF document. */
export type RdfDocument = ReturnType<typeof Feedsmith.parseRdfFeed<string>>;
