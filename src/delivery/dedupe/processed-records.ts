import { breaks, inSlices, sorted } from '../../engine/slices.js';
import type { Logger } from '../../logger.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';
import { Throttle } from '../throttle.js';
import { seenOf, type Seen } from './processed-version.js';
import { SeenTable } from './processed-table.js';

const VERSION = 1;

const MOST_SEEN = 250_000;

/** So many records are written at the same time: a feed has thousands of entries. */
const MOST_WRITES = 500;

/** Dependencies of remembering. */
export interface SeenRecordsOptions {
  readonly store: Pick<RecordStore, 'entries' | 'set' | 'delete'>;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** So many pieces are remembered; what was seen longest ago is forgotten first. @default 250_000 */
  readonly most?: number | undefined;
}

/** Processed entries and bodies by key, the oldest first. They are in memory, and in the store behind it. */
export class SeenRecords {
  readonly most: number;
  readonly #options: SeenRecordsOptions;
  readonly #seen = new SeenTable();
  /** Keys whose record is to be written to the store, or removed from it. */
  readonly #unwritten = new Set<string>();
  readonly #writes = new Set<Promise<void>>();
  readonly #failures = new Throttle();
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
    const byTime = await sorted(read, ([, a], [, b]) => a.at - b.at);
    await inSlices(byTime, ([key, seen]) => this.#seen.set(key, seen));
  }

  has(key: string): boolean {
    return this.#seen.has(key);
  }

  get(key: string): Seen | undefined {
    return this.#seen.get(key);
  }

  /** The keys that there are now, the oldest first. */
  keys(): readonly string[] {
    return this.#seen.keys();
  }

  /** Notes what was seen last; `inStore`: also in the store. */
  put(key: string, seen: Seen, { inStore }: { readonly inStore: boolean }): void {
    this.#seen.set(key, seen);
    if (inStore) this.#write(key);
    if (this.#seen.size > this.most) this.#forgetOldest();
  }

  forget(key: string): void {
    this.#seen.delete(key);
    this.#write(key);
  }

  /** Resolves when all that is to be is in the store, or could not be stored. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #forgetOldest(): void {
    const oldest = this.#seen.oldest();
    if (oldest === undefined) return;
    this.#isFull = true;
    this.forget(oldest);
  }

  /** Behind the answer to the hub: at worst, news is handed over once more. */
  #write(key: string): void {
    this.#unwritten.add(key);
    if (this.#writes.size <= MOST_WRITES / 2) this.#writeMore();
  }

  /** Begins writes up to the most there may be. Called when half of them have ended, not after each. */
  #writeMore(): void {
    for (const key of this.#unwritten) {
      if (this.#writes.size >= MOST_WRITES) return;
      this.#unwritten.delete(key);
      const writing = this.#written(key).finally(() => {
        this.#writes.delete(writing);
        if (this.#unwritten.size > 0 && this.#writes.size <= MOST_WRITES / 2) this.#writeMore();
      });
      this.#writes.add(writing);
    }
  }

  /** Writes the record of a key as it is now, or removes it from the store. */
  async #written(key: string): Promise<void> {
    const { store, logger, now } = this.#options;
    const current = this.#seen.get(key);
    try {
      if (current === undefined) {
        await store.delete('seen', key);
      } else {
        const { notedAt: _notedAt, ...seen } = current;
        await store.set('seen', key, encodeRecord(VERSION, seen));
      }
    } catch (error) {
      const notLogged = this.#failures.pass(this, now());
      if (notLogged === undefined) return;
      const told = 'what was handed over could not be noted: after a restart it may be handed over again';
      logger.warn({ err: error, notLogged }, told);
    }
  }
}
