import { inSlices } from '../../engine/slices.js';
import { isNewsAfter } from '../dedupe/processed-version.js';
import type { Piece } from '../dedupe/dedupe-key.js';
import { bytesOf, type StoredEvent } from '../inbox/stored-event.js';
import type { WaitingEvent } from '../inbox/waiting-events.js';

/** Limits of what is parsed for one gap: catch-up may deliver again what the events beyond them bring. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_EVENTS = 1_000;

/** Reads the entries that an event brings. */
export type PiecesOf = (event: StoredEvent) => Promise<readonly Piece[]>;

/** The entries of events that are in the inbox during a gap. Their handler gets them from there, not from catch-up. */
export class WaitingEntries {
  readonly #piecesOf: PiecesOf;
  /** By event. */
  readonly #read = new Map<string, Promise<void>>();
  /** Versions of an entry, by its key. */
  readonly #pieces = new Map<string, Piece[]>();
  #bytes = 0;
  #last = Promise.resolve();
  #failure: { readonly cause: unknown } | undefined;

  constructor(piecesOf: PiecesOf) {
    this.#piecesOf = piecesOf;
  }

  /** Whether an event is still to be read, and is within the limits. */
  wants({ id, bytes }: WaitingEvent): boolean {
    return !this.#read.has(id) && this.#read.size < MOST_EVENTS && this.#bytes + bytes <= MOST_BYTES;
  }

  /** Reads the entries of an event, one event at a time. An event that does not parse has none. */
  note(event: StoredEvent): void {
    const { id } = event.meta;
    const bytes = bytesOf(event);
    if (!this.wants({ id, bytes })) return;
    this.#bytes += bytes;
    const read = async (): Promise<void> => {
      try {
        await inSlices(await this.#piecesOf(event), (piece) => this.#add(piece));
      } catch (error) {
        // Its handler is told when it parses the event.
        if (error instanceof SyntaxError || error instanceof RangeError) return;
        this.#read.delete(id);
        this.#bytes -= bytes;
        this.#failure = { cause: error };
      }
    };
    this.#last = this.#last.then(read);
    this.#read.set(id, this.#last);
  }

  /** Resolves when all that was noted is read. Rejects where some of it could not be read now. */
  async settled(): Promise<void> {
    await Promise.all(this.#read.values());
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw new Error('An event that waits could not be read now', failure);
  }

  /** Whether an event brings an entry as the topic has it, or a later version of it. */
  has(piece: Piece): boolean {
    const versions = this.#pieces.get(piece.key) ?? [];
    return versions.some((waiting) => !isNewsAfter(waiting, piece));
  }

  #add(piece: Piece): void {
    const versions = this.#pieces.get(piece.key);
    if (versions === undefined) this.#pieces.set(piece.key, [piece]);
    else versions.push(piece);
  }
}
