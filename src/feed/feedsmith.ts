import { createRequire } from 'node:module';
import type * as Feedsmith from 'feedsmith';

const require = createRequire(import.meta.url);

/**
 * Loaded when first needed: most services never ask for entries, and it takes a while. With `require`, since whoever asks
 * for them does not wait.
 */
export function feedsmith(): typeof Feedsmith {
  // What `require` returns has no type; its CommonJS exports are those of the module.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return require('feedsmith') as typeof Feedsmith;
}

/** What feedsmith makes of a document in Atom. */
export type AtomDocument = ReturnType<typeof Feedsmith.parseAtomFeed<string>>;
/** What feedsmith makes of a document in RSS. */
export type RssDocument = ReturnType<typeof Feedsmith.parseRssFeed<string>>;
/** What feedsmith makes of a document in RDF. */
export type RdfDocument = ReturnType<typeof Feedsmith.parseRdfFeed<string>>;
