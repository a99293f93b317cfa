import { inSlices } from '../../engine/slices.js';
import type { Document, VersionedEntries } from '../../feed/feed-document.js';
import type { EntryVersion } from '../../feed/entry/entry-version.js';
import type { FeedEntry } from '../../feed/feed.js';
import { parseEntries, parseLight, parseVersions } from '../../feed/parse/parse.js';
import { after, observed, type Awaitable } from './awaitable.js';
import { entryPiece, type Piece } from '../dedupe/dedupe-key.js';

/** How an entry compares with what was seen of it before. */
export type EntryChange = FeedEntry['change'];

/** What reading the entries of an event depends on besides its text. */
export interface EntriesContext {
  /** Of entries fetched from the topic, those that are news, by their key in the feed. */
  readonly only?: readonly string[] | undefined;
  /** How an entry compares with what was seen of it before. It is claimed for the event of that id, where one is given. */
  readonly changeOf: (piece: Piece, claimant: string | undefined) => Exclude<EntryChange, 'deleted'>;
  /** The event, while its handler has it in hand. */
  readonly claimant: () => string | undefined;
}

/** The entries of an event, and what tells them from others. */
export interface EventEntries {
  readonly entries: readonly FeedEntry[];
  readonly pieces: readonly Piece[];
}

/** The keys and versions of a document's entries, and how each compared with earlier ones when they were parsed. */
interface ComparedEntries {
  readonly pieces: readonly Piece[];
  readonly changes: readonly EntryChange[];
  /** Whether each is one of those that the event is about. */
  readonly areWanted: readonly boolean[];
}

/** Reads the entries of one event: what was read is kept, what could not be read is read anew when it is asked for again. */
export class EntriesReader {
  readonly #document: Document;
  readonly #context: EntriesContext;
  #compared: ComparedEntries | undefined;
  /** The entries that `pieces` has parsed. `read` uses them. */
  #light: VersionedEntries | undefined;
  #reading: Promise<EventEntries> | undefined;
  #read: EventEntries | undefined;

  constructor(document: Document, context: EntriesContext) {
    this.#document = document;
    this.#context = context;
  }

  /**
   * The keys and versions of the entries; no promise where parsing takes little time.
   *
   * @throws what reading the document throws
   */
  pieces(): Awaitable<readonly Piece[]> {
    if (this.#compared !== undefined) return wantedPieces(this.#compared);
    this.#light ??= parseLight(this.#document);
    const reading = this.#light?.versions ?? parseVersions(this.#document);
    const comparing = after(reading, (versions) => compared(versions, this.#context));
    return after(comparing, (found) => wantedPieces((this.#compared = found)));
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
  get readPieces(): Awaitable<readonly Piece[]> | undefined {
    if (this.#read !== undefined) return this.#read.pieces;
    return this.#reading && observed(this.#reading.then(({ pieces }) => pieces));
  }

  async #readEntries(): Promise<EventEntries> {
    const { entries: parsed, versions } = this.#light ?? (await parseEntries(this.#document));
    this.#light = undefined;
    const { pieces, changes, areWanted } = (this.#compared ??= await compared(versions, this.#context));
    const { changeOf, claimant } = this.#context;
    const entries: FeedEntry[] = [];
    await inSlices(parsed, (entry, index) => {
      const [change, piece] = [changes[index], pieces[index]];
      if (change === undefined || piece === undefined || areWanted[index] !== true) return;
      // Another event may have brought the entry since it was looked at.
      const claimedBy = claimant();
      const isSettled = change === 'deleted' || claimedBy === undefined;
      entries.push({ ...entry, change: isSettled ? change : changeOf(piece, claimedBy) });
    });
    return { entries, pieces: wantedPieces({ pieces, changes, areWanted }) };
  }
}

/** The pieces of the entries that the event is about. */
function wantedPieces({ pieces, areWanted }: ComparedEntries): readonly Piece[] {
  return areWanted.includes(false) ? pieces.filter((_, index) => areWanted[index]) : pieces;
}

function compared(versions: readonly EntryVersion[], { only, changeOf }: EntriesContext): Awaitable<ComparedEntries> {
  const wanted = only === undefined ? undefined : new Set(only);
  const pieces: Piece[] = [];
  const changes: EntryChange[] = [];
  const areWanted: boolean[] = [];
  const comparing = inSlices(versions, (version) => {
    const piece = entryPiece(version);
    pieces.push(piece);
    changes.push(version.deleted ? 'deleted' : changeOf(piece, undefined));
    areWanted.push(wanted?.has(version.key) !== false);
  });
  return after(comparing ?? undefined, () => ({ pieces, changes, areWanted }));
}
