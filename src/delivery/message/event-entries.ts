import { forEachInSlices } from '../../engine/slices.js';
import type { FeedDocument, VersionedEntries } from '../../feed/feed-document.js';
import type { EntryVersion } from '../../feed/entry/entry-version.js';
import type { FeedEntry } from '../../feed/feed.js';
import { parseEntries, parseInline, parseVersions } from '../../feed/parse/parse.js';
import { mapAwaitable, suppressUnhandledRejection, type Awaitable } from './awaitable.js';
import { entryDedupeKey, type DedupeKey } from '../dedupe/dedupe-key.js';

/** How an entry compares with what was seen of it before. */
export type EntryChange = FeedEntry['change'];

/** What reading the entries of an event depends on besides its text. */
export interface EntriesContext {
  /** Of entries fetched from the topic, those that are news, by their key in the feed. */
  readonly newEntryKeys?: readonly string[] | undefined;
  /** How an entry compares with what was seen of it before. It is claimed for the event of that id, where one is given. */
  readonly changeOf: (piece: DedupeKey, claimant: string | undefined) => Exclude<EntryChange, 'deleted'>;
  /** The event, while its handler has it in hand. */
  readonly claimant: () => string | undefined;
}

/** The entries of an event, and what tells them from others. */
export interface EventEntries {
  readonly entries: readonly FeedEntry[];
  readonly dedupeKeys: readonly DedupeKey[];
}

/** The keys and versions of a document's entries, and how each compared with earlier ones when they were parsed. */
interface ComparedEntries {
  readonly dedupeKeys: readonly DedupeKey[];
  readonly changes: readonly EntryChange[];
  /** Whether each is one of those that the event is about. */
  readonly areWanted: readonly boolean[];
}

/** Reads the entries of one event: what was read is kept, what could not be read is read anew when it is asked for again. */
export class EntriesReader {
  readonly #document: FeedDocument;
  readonly #context: EntriesContext;
  #compared: ComparedEntries | undefined;
  /** The entries that `pieces` has parsed. `read` uses them. */
  #light: VersionedEntries | undefined;
  #reading: Promise<EventEntries> | undefined;
  #read: EventEntries | undefined;

  constructor(document: FeedDocument, context: EntriesContext) {
    this.#document = document;
    this.#context = context;
  }

  /**
   * The keys and versions of the entries; no promise where parsing takes little time.
   *
   * @throws what reading the document throws
   */
  dedupeKeys(): Awaitable<readonly DedupeKey[]> {
    if (this.#compared !== undefined) return wantedDedupeKeys(this.#compared);
    this.#light ??= parseInline(this.#document);
    const reading = this.#light?.versions ?? parseVersions(this.#document);
    const comparing = mapAwaitable(reading, (versions) => compareEntries(versions, this.#context));
    return mapAwaitable(comparing, (comparedEntries) => wantedDedupeKeys((this.#compared = comparedEntries)));
  }

  /** Rejects with what reading the document throws. */
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

  /** The pieces of entries that were asked for; undefined where they were not. Rejects where they cannot be read. */
  get readDedupeKeys(): Awaitable<readonly DedupeKey[]> | undefined {
    if (this.#read !== undefined) return this.#read.dedupeKeys;
    return this.#reading && suppressUnhandledRejection(this.#reading.then(({ dedupeKeys }) => dedupeKeys));
  }

  async #readEntries(): Promise<EventEntries> {
    const { entries: parsed, versions } = this.#light ?? (await parseEntries(this.#document));
    this.#light = undefined;
    const { dedupeKeys, changes, areWanted } = (this.#compared ??= await compareEntries(versions, this.#context));
    const { changeOf, claimant } = this.#context;
    const entries: FeedEntry[] = [];
    await forEachInSlices(parsed, (entry, index) => {
      const [change, dedupeKey] = [changes[index], dedupeKeys[index]];
      if (change === undefined || dedupeKey === undefined || areWanted[index] !== true) return;
      // Another event may have brought the entry since it was looked at.
      const claimedBy = claimant();
      const isSettled = change === 'deleted' || claimedBy === undefined;
      entries.push({ ...entry, change: isSettled ? change : changeOf(dedupeKey, claimedBy) });
    });
    return { entries, dedupeKeys: wantedDedupeKeys({ dedupeKeys, changes, areWanted }) };
  }
}

/** The pieces of the entries that the event is about. */
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
