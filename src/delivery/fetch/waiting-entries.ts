import { forEachInSlices } from '../../engine/slices.js';
import { isNewVersion } from '../dedupe/processed-version.js';
import type { DedupeKey } from '../dedupe/dedupe-key.js';
import { bytesOf, type StoredEvent } from '../inbox/stored-event.js';
import type { WaitingEvent } from '../inbox/waiting-events.js';

/** Limits of parsing for one gap. Catch-up may deliver entries of events beyond these limits a second time. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_EVENTS = 1_000;

/** Reads the dedupe keys of an event's entries. */
export type DedupeKeysOf = (event: StoredEvent) => Promise<readonly DedupeKey[]>;

/** Entries of events that are in the inbox during a gap. The inbox delivers these entries, so catch-up does not. */
export class WaitingEntries {
  readonly #dedupeKeysOf: DedupeKeysOf;
  /** By event id. */
  readonly #reads = new Map<string, Promise<void>>();
  /** Versions of an entry, by key. */
  readonly #dedupeKeys = new Map<string, DedupeKey[]>();
  #bytes = 0;
  #last = Promise.resolve();
  #failure: { readonly cause: unknown } | undefined;

  constructor(dedupeKeysOf: DedupeKeysOf) {
    this.#dedupeKeysOf = dedupeKeysOf;
  }

  /** Whether an event is not read yet and is within the limits. */
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
        // The handler gets this error when it parses the event itself.
        if (error instanceof SyntaxError || error instanceof RangeError) return;
        this.#reads.delete(id);
        this.#bytes -= bytes;
        this.#failure = { cause: error };
      }
    };
    this.#last = this.#last.then(read);
    this.#reads.set(id, this.#last);
  }

  /** Resolves when all added events are read. Rejects if one could not be read now. */
  async settled(): Promise<void> {
    await Promise.all(this.#reads.values());
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw new Error('A pending event could not be read now.', failure);
  }

  /** Whether a waiting event contains this version of an entry or a later one. */
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
