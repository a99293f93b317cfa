import { breaks, inSlices } from '../engine/slices.js';
import type { Logger } from '../logger.js';
import { decodeRecord, encodeRecord } from '../store/codec.js';
import type { RecordStore } from '../store/record-store.js';
import { seenOf, type Seen } from './seen-piece.js';

const VERSION = 1;

const MOST_SEEN = 250_000;

/** Dependencies of remembering. */
export interface SeenRecordsOptions {
  readonly store: RecordStore;
  readonly logger: Logger;
  /** So many pieces are remembered; what was seen longest ago is forgotten first. @default 250_000 */
  readonly most?: number | undefined;
}

/** Processed entries and bodies by key, the oldest first. They are in memory, and in the store behind it. */
export class SeenRecords {
  readonly most: number;
  readonly #options: SeenRecordsOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #writes = new Set<Promise<void>>();
  #isFull = false;

  constructor(options: SeenRecordsOptions) {
    this.#options = options;
    this.most = options.most ?? MOST_SEEN;
  }

  /** Whether it has had to forget what feeds may still have. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Reads what a previous process saw. What cannot be read is logged: at worst that news is handed over once more. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'what was seen before cannot be read: it may be handed over once more');
    const read: [key: string, seen: Seen][] = [];
    const pause = breaks();
    for await (const [key, raw] of store.entries('seen', { onUnreadable: unreadable })) {
      try {
        read.push([key, seenOf(decodeRecord(VERSION, raw, {}, `seen ${key}`))]);
      } catch (error) {
        unreadable(error);
      }
      await pause();
    }
    await inSlices(
      read.toSorted(([, a], [, b]) => a.at - b.at),
      ([key, seen]) => void this.#seen.set(key, seen),
    );
  }

  has(key: string): boolean {
    return this.#seen.has(key);
  }

  get(key: string): Seen | undefined {
    return this.#seen.get(key);
  }

  entries(): Iterable<[string, Seen]> {
    return this.#seen;
  }

  /** Notes what was seen last; `inStore`: also in the store. */
  put(key: string, seen: Seen, { inStore }: { readonly inStore: boolean }): void {
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    if (inStore) this.#write('set', key);
    if (this.#seen.size > this.most) this.#forgetOldest();
  }

  forget(key: string): void {
    this.#seen.delete(key);
    this.#write('delete', key);
  }

  /** Resolves when all that is to be is in the store, or could not be stored. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #forgetOldest(): void {
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= this.most) break;
      this.#isFull = true;
      this.forget(oldest);
    }
  }

  /** Behind the answer to the hub: at worst, news is handed over once more. */
  #write(what: 'set' | 'delete', key: string): void {
    const { store, logger } = this.#options;
    const write = async (): Promise<void> => {
      const { notedAt: _notedAt, ...seen } = this.#seen.get(key) ?? { notedAt: 0 };
      try {
        if (what === 'set') await store.set('seen', key, encodeRecord(VERSION, seen));
        else await store.delete('seen', key);
      } catch (error) {
        const told = 'what was handed over could not be noted: after a restart it may be handed over again';
        logger.warn({ err: error }, told);
      }
    };
    const writing = write().finally(() => this.#writes.delete(writing));
    this.#writes.add(writing);
  }
}
