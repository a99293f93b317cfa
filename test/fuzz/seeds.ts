import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { CRON_EXPRESSIONS, DATES, FEEDS, HEADERS, LINK_HEADERS, PAGES, QUERIES, RECORDS, TEXTS } from './documents.js';
import { REQUESTS } from './requests.js';

/** What a parser expects to get. */
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

/** Longer ones make a run slow; their beginnings are in the others. */
const LONGEST = 256 * 1024;

/** The documents of each kind; those of a corpus where there is one. */
const SEEDS: Readonly<Record<SeedKind, (corpus: string) => readonly Buffer[]>> = {
  feeds: (corpus) => [...own(FEEDS), ...filesIn(join(corpus, 'notifications'))],
  documents: (corpus) => [...own(PAGES), ...own(FEEDS), ...filesIn(join(corpus, 'discovery'))],
  'link headers': (corpus) => [...own(LINK_HEADERS), ...linkHeadersIn(join(corpus, 'link-headers.json'))],
  headers: () => own([...HEADERS, ...LINK_HEADERS]),
  queries: () => own(QUERIES),
  dates: () => own(DATES),
  'cron expressions': () => own(CRON_EXPRESSIONS),
  texts: () => own([...TEXTS, ...FEEDS]),
  records: () => own(RECORDS),
  encoded: () => own(FEEDS).flatMap((feed) => [gzipSync(feed), deflateSync(feed), brotliCompressSync(feed), feed]),
  requests: () => own(REQUESTS),
};

/**
 * The documents that inputs of a kind are made from.
 *
 * @param corpus the folder of the corpus, which need not be there
 */
export function seedsOf(kind: SeedKind, corpus: string): readonly Buffer[] {
  return SEEDS[kind](corpus);
}

function own(texts: readonly string[]): readonly Buffer[] {
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
  const found: unknown = JSON.parse(readFileSync(file, 'utf8'));
  // The corpus promises its shape in its README.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (found as readonly { readonly headers: readonly string[] }[]).map(({ headers }) =>
    Buffer.from(headers.join(', ')),
  );
}
