import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { CRON_EXPRESSIONS, DATES, FEEDS, HEADERS, LINK_HEADERS, PAGES, QUERIES, RECORDS, TEXTS } from './documents.js';
import { REQUESTS } from './requests.js';

/** Kinds of parser input. */
export type SeedKind =
  | 'feeds'
  | 'documents'
  | 'link headers'
  | 'headers'
  | 'queries'
  | 'dates'
  | 'cron expressions'
  | 'texts'
  | 'records'
  | 'encoded'
  | 'requests';

/** Bytes. Longer documents make a run slow, and the others contain similar beginnings. */
const LONGEST = 256 * 1024;

/** Documents of each kind, plus those of the corpus if it exists. */
const SEEDS: Readonly<Record<SeedKind, (corpus: string) => readonly Buffer[]>> = {
  feeds: (corpus) => [...buffersOf(FEEDS), ...filesIn(join(corpus, 'notifications'))],
  documents: (corpus) => [...buffersOf(PAGES), ...buffersOf(FEEDS), ...filesIn(join(corpus, 'discovery'))],
  'link headers': (corpus) => [...buffersOf(LINK_HEADERS), ...linkHeadersIn(join(corpus, 'link-headers.json'))],
  headers: () => buffersOf([...HEADERS, ...LINK_HEADERS]),
  queries: () => buffersOf(QUERIES),
  dates: () => buffersOf(DATES),
  'cron expressions': () => buffersOf(CRON_EXPRESSIONS),
  texts: () => buffersOf([...TEXTS, ...FEEDS]),
  records: () => buffersOf(RECORDS),
  encoded: () =>
    buffersOf(FEEDS).flatMap((feed) => [gzipSync(feed), deflateSync(feed), brotliCompressSync(feed), feed]),
  requests: () => buffersOf(REQUESTS),
};

/**
 * Returns the documents that inputs of a kind are made from.
 *
 * @param corpus folder of the corpus; it does not have to exist
 */
export function seedsOf(kind: SeedKind, corpus: string): readonly Buffer[] {
  return SEEDS[kind](corpus);
}

function buffersOf(texts: readonly string[]): readonly Buffer[] {
  return texts.map((text) => Buffer.from(text));
}

function filesIn(folder: string): readonly Buffer[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .map((file) => readFileSync(join(folder, file)))
    .filter(({ length }) => length <= LONGEST);
}

function linkHeadersIn(file: string): readonly Buffer[] {
  if (!existsSync(file)) return [];
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  // The README of the corpus documents this shape.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (content as readonly { readonly headers: readonly string[] }[]).map(({ headers }) =>
    Buffer.from(headers.join(', ')),
  );
}
