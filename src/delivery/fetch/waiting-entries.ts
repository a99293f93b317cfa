import { forEachInSlices } from '../../engine/slices.js';
import { isNewVersion } from '../dedupe/processed-version.js';
import type { DedupeKey } from '../dedupe/dedupe-key.js';
import { bytesOf, type StoredEvent } from '../inbox/stored-event.js';
import type { WaitingEvent } from '../inbox/waiting-events.js';

/** Limits of what is parsed for one gap: catch-up may deliver again what the events beyond them bring. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_EVENTS = 1_000;

/** Reads the entries that an event brings. */
export type DedupeKeysOf = (event: StoredEvent) => Promise<readonly DedupeKey[]>;

/** The entries of events that are in the inbox during a gap. Their handler gets them from there, not from catch-up. */
export class WaitingEntries {
  readonly #dedupeKeysOf: DedupeKeysOf;
  /** By event. */
  readonly #reads = new Map<string, Promise<void>>();
  /** Versions of an entry, by its key. */
  readonly #dedupeKeys = new Map<string, DedupeKey[]>();
  #bytes = 0;
  #last = Promise.resolve();
  #failure: { readonly cause: unknown } | undefined;

  constructor(piecesOf: DedupeKeysOf) {
    this.#dedupeKeysOf = piecesOf;
  }

  /** Whether an event is still to be read, and is within the limits. */
  shouldRead({ id, bytes }: WaitingEvent): boolean {
    return !this.#reads.has(id) && this.#reads.size < MAX_EVENTS && this.#bytes + bytes <= MAX_BYTES;
  }

  /** Reads the entries of an event, one event at a time. An event that does not parse has none. */
  add(event: StoredEvent): void {
    const { id } = event.meta;
    const bytes = bytesOf(event);
    if (!this.shouldRead({ id, bytes })) return;
    this.#bytes += bytes;
    const read = async (): Promise<void> => {
      try {
        await forEachInSlices(await this.#dedupeKeysOf(event), (dedupeKey) => this.#addKey(dedupeKey));
      } catch (error) {
        // Its handler is told when it parses the event.
        if (error instanceof SyntaxError || error instanceof RangeError) return;
        this.#reads.delete(id);
        this.#bytes -= bytes;
        this.#failure = { cause: error };
      }
    };
    this.#last = this.#last.then(read);
    this.#reads.set(id, this.#last);
  }

  /** Resolves when all that was noted is read. Rejects where some of it could not be read now. */
  async settled(): Promise<void> {
    await Promise.all(this.#reads.values());
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw new Error('An event that waits could not be read now', failure);
  }

  /** Whether an event brings an entry as the topic has it, or a later version of it. */
  has(dedupeKey: DedupeKey): boolean {
    const versions = this.#dedupeKeys.get(dedupeKey.key) ?? [];
    return versions.some((waiting) => !isNewVersion(waiting, dedupeKey));
  }

  #addKey(dedupeKey: DedupeKey): void {
    const versions = this.#dedupeKeys.get(dedupeKey.key);
    if (versions === undefined) this.#dedupeKeys.set(dedupeKey.key, [dedupeKey]);
    else versions.push(dedupeKey);
  }
}
