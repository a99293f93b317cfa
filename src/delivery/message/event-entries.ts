import { forEachInSlices } from '../../engine/slices.js';
import type { FeedDocument, VersionedEntries } from '../../feed/feed-document.js';
import type { EntryVersion } from '../../feed/entry/entry-version.js';
import type { FeedEntry } from '../../feed/feed.js';
import { parseEntries, parseInline, parseVersions } from '../../feed/parse/parse.js';
import { mapAwaitable, suppressUnhandledRejection, type Awaitable } from './awaitable.js';
import { entryDedupeKey, type DedupeKey } from '../dedupe/dedupe-key.js';

/** How an entry changed: new, updated, unchanged or deleted. */
export type EntryChange = FeedEntry['change'];

/** Inputs of {@link EntriesReader} besides the document. */
export interface EntriesContext {
  /** Keys of the entries to deliver, because the others are not new. Absent: all entries. */
  readonly newEntryKeys?: readonly string[] | undefined;
  /** Compares an entry with earlier versions of it. Claims the entry for the event with the id `claimant`, if given. */
  readonly changeOf: (dedupeKey: DedupeKey, claimant: string | undefined) => Exclude<EntryChange, 'deleted'>;
  /** The event's id while its handler may claim entries; undefined after that. */
  readonly claimant: () => string | undefined;
}

/** The entries of an event and their dedupe keys. */
export interface EventEntries {
  readonly entries: readonly FeedEntry[];
  readonly dedupeKeys: readonly DedupeKey[];
}

/** The dedupe keys of a document's entries, and their changes at the time of parsing. */
interface ComparedEntries {
  readonly dedupeKeys: readonly DedupeKey[];
  readonly changes: readonly EntryChange[];
  /** For each entry: whether the event delivers it. */
  readonly areWanted: readonly boolean[];
}

/** Reads the entries of one event. Caches a successful read. Repeats a failed one on the next call. */
export class EntriesReader {
  readonly #document: FeedDocument;
  readonly #context: EntriesContext;
  #compared: ComparedEntries | undefined;
  /** The entries that `dedupeKeys` has parsed inline, for reuse by `read`. */
  #parsedInline: VersionedEntries | undefined;
  #reading: Promise<EventEntries> | undefined;
  #read: EventEntries | undefined;

  constructor(document: FeedDocument, context: EntriesContext) {
    this.#document = document;
    this.#context = context;
  }

  /**
   * The dedupe keys of the entries. Not a promise if the document is parsed quickly.
   *
   * @throws the parser's error
   */
  dedupeKeys(): Awaitable<readonly DedupeKey[]> {
    if (this.#compared !== undefined) return wantedDedupeKeys(this.#compared);
    this.#parsedInline ??= parseInline(this.#document);
    const reading = this.#parsedInline?.versions ?? parseVersions(this.#document);
    const comparing = mapAwaitable(reading, (versions) => compareEntries(versions, this.#context));
    return mapAwaitable(comparing, (comparedEntries) => wantedDedupeKeys((this.#compared = comparedEntries)));
  }

  /** The entries and their dedupe keys. Rejects with the parser's error. */
  async read(): Promise<EventEntries> {
    this.#reading ??= this.#readEntries();
    try {
      return (this.#read ??= await this.#reading);
    } catch (error) {
      this.#reading = undefined;
      throw error;
    }
  }

  /** The entries alone. Rejects as `read()` does. */
  async entries(): Promise<readonly FeedEntry[]> {
    return (await this.read()).entries;
  }

  /** The dedupe keys of entries that were read; undefined if nobody read them. Rejects if reading fails. */
  get readDedupeKeys(): Awaitable<readonly DedupeKey[]> | undefined {
    if (this.#read !== undefined) return this.#read.dedupeKeys;
    return this.#reading && suppressUnhandledRejection(this.#reading.then(({ dedupeKeys }) => dedupeKeys));
  }

  async #readEntries(): Promise<EventEntries> {
    const { entries: parsed, versions } = this.#parsedInline ?? (await parseEntries(this.#document));
    this.#parsedInline = undefined;
    const { dedupeKeys, changes, areWanted } = (this.#compared ??= await compareEntries(versions, this.#context));
    const { changeOf, claimant } = this.#context;
    const entries: FeedEntry[] = [];
    await forEachInSlices(parsed, (entry, index) => {
      const [change, dedupeKey] = [changes[index], dedupeKeys[index]];
      if (change === undefined || dedupeKey === undefined || areWanted[index] !== true) return;
      // Another event may have claimed the entry since it was compared.
      const claimedBy = claimant();
      const isSettled = change === 'deleted' || claimedBy === undefined;
      entries.push({ ...entry, change: isSettled ? change : changeOf(dedupeKey, claimedBy) });
    });
    return { entries, dedupeKeys: wantedDedupeKeys({ dedupeKeys, changes, areWanted }) };
  }
}

/** The dedupe keys of the entries that the event delivers. */
function wantedDedupeKeys({ dedupeKeys, areWanted }: ComparedEntries): readonly DedupeKey[] {
  return areWanted.includes(false) ? dedupeKeys.filter((_, index) => areWanted[index]) : dedupeKeys;
}

function compareEntries(
  versions: readonly EntryVersion[],
  { newEntryKeys, changeOf }: EntriesContext,
): Awaitable<ComparedEntries> {
  const wanted = newEntryKeys === undefined ? undefined : new Set(newEntryKeys);
  const dedupeKeys: DedupeKey[] = [];
  const changes: EntryChange[] = [];
  const areWanted: boolean[] = [];
  const comparing = forEachInSlices(versions, (version) => {
    const dedupeKey = entryDedupeKey(version);
    dedupeKeys.push(dedupeKey);
    changes.push(version.deleted ? 'deleted' : changeOf(dedupeKey, undefined));
    areWanted.push(wanted?.has(version.key) !== false);
  });
  return mapAwaitable(comparing ?? undefined, () => ({ dedupeKeys, changes, areWanted }));
}
