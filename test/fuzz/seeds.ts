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

/**
 * The documents that inputs of a kind are made from: those of the tests, and those of a corpus where there is one.
 *
 * @param corpus the folder of the corpus
 */
export function seedsOf(kind: SeedKind, corpus: string): readonly Buffer[] {
  switch (kind) {
    case 'feeds':
      return [...own(FEEDS), ...filesIn(join(corpus, 'notifications'))];
    case 'documents':
      return [...own(PAGES), ...own(FEEDS), ...filesIn(join(corpus, 'discovery'))];
    case 'link headers':
      return [...own(LINK_HEADERS), ...linkHeadersIn(join(corpus, 'link-headers.json'))];
    case 'headers':
      return own([...HEADERS, ...LINK_HEADERS]);
    case 'queries':
      return own(QUERIES);
    case 'dates':
      return own(DATES);
    case 'cron expressions':
      return own(CRON_EXPRESSIONS);
    case 'texts':
      return own([...TEXTS, ...FEEDS]);
    case 'records':
      return own(RECORDS);
    case 'encoded':
      return own(FEEDS).flatMap((feed) => [gzipSync(feed), deflateSync(feed), brotliCompressSync(feed), feed]);
    case 'requests':
      return own(REQUESTS);
  }
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
