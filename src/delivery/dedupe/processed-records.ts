import type { EngineContext } from '../../engine/engine-context.js';
import { createYielder, forEachInSlices, sortInSlices } from '../../engine/slices.js';
import { log } from '../../log-events.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import { Throttle } from '../throttle.js';
import { decodeProcessedVersion, encodeProcessedVersion, type ProcessedVersion } from './processed-version.js';
import { ProcessedTable } from './processed-table.js';

const VERSION = 1;

const MAX_KEYS = 250_000;

/** Maximum number of concurrent writes. A feed may have thousands of entries. */
const MAX_WRITES = 500;

/** The parts of a runtime that the records of processed content need. */
export type ProcessedContext = Pick<EngineContext, 'store' | 'logger' | 'now'>;

/** Processed entries and bodies by key, oldest first. They are in memory and, with a delay, in the store. */
export class ProcessedRecords {
  readonly maxKeys: number;
  readonly #context: ProcessedContext;
  readonly #table = new ProcessedTable();
  /** Keys whose record must be written to the store or removed from it. */
  readonly #unwritten = new Set<string>();
  readonly #writes = new Set<Promise<void>>();
  readonly #logThrottle = new Throttle();
  #hasOverflowed = false;

  /** @param maxKeys maximum number of keys. The keys seen longest ago are forgotten first */
  constructor(context: ProcessedContext, maxKeys = MAX_KEYS) {
    this.#context = context;
    this.maxKeys = maxKeys;
  }

  /** Whether old keys were dropped for lack of room. Feeds may still contain those entries. */
  get hasOverflowed(): boolean {
    return this.#hasOverflowed;
  }

  /**
   * Reads the records of previous processes. Unreadable records are logged. At worst their content is dispatched
   * again.
   */
  async load(): Promise<void> {
    const { store, logger } = this.#context;
    const onUnreadable = (error: unknown): void => log(logger, 'processed.unreadable', { err: error });
    const records: [key: string, processed: ProcessedVersion][] = [];
    const pause = createYielder();
    for await (const [key, raw] of store.list('seen', { onUnreadable })) {
      try {
        records.push([key, decodeProcessedVersion(decodeRecord(VERSION, raw, {}, `seen ${key}`))]);
      } catch (error) {
        onUnreadable(error);
      }
      await pause();
    }
    const byTime = await sortInSlices(records, ([, a], [, b]) => a.at - b.at);
    await forEachInSlices(byTime, ([key, processed]) => this.#table.set(key, processed));
  }

  has(key: string): boolean {
    return this.#table.has(key);
  }

  get(key: string): ProcessedVersion | undefined {
    return this.#table.get(key);
  }

  /** All keys, oldest first. */
  keys(): readonly string[] {
    return this.#table.keys();
  }

  /** Sets the version of a key. With `inStore` it is also written to the store. */
  put(key: string, processed: ProcessedVersion, { inStore }: { readonly inStore: boolean }): void {
    this.#table.set(key, processed);
    if (inStore) this.#write(key);
    if (this.#table.size > this.maxKeys) this.#forgetOldest();
  }

  forget(key: string): void {
    this.#table.delete(key);
    this.#write(key);
  }

  /** Resolves when all writes have ended, whether they succeeded or failed. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #forgetOldest(): void {
    const oldest = this.#table.oldest();
    if (oldest === undefined) return;
    this.#hasOverflowed = true;
    this.forget(oldest);
  }

  /** Writes in the background: no answer waits for it. If a write is lost, at worst a duplicate is dispatched. */
  #write(key: string): void {
    this.#unwritten.add(key);
    if (this.#writes.size <= MAX_WRITES / 2) this.#startWrites();
  }

  /** Starts writes up to the maximum. Called when half of them have ended, not after each. */
  #startWrites(): void {
    for (const key of this.#unwritten) {
      if (this.#writes.size >= MAX_WRITES) return;
      this.#unwritten.delete(key);
      const writing = this.#writeRecord(key).finally(() => {
        this.#writes.delete(writing);
        if (this.#unwritten.size > 0 && this.#writes.size <= MAX_WRITES / 2) this.#startWrites();
      });
      this.#writes.add(writing);
    }
  }

  /** Writes the current record of a key, or removes it from the store. */
  async #writeRecord(key: string): Promise<void> {
    const { store, logger, now } = this.#context;
    const current = this.#table.get(key);
    try {
      if (current === undefined) {
        await store.delete('seen', key);
      } else {
        await store.set('seen', key, encodeRecord(VERSION, encodeProcessedVersion(current)));
      }
    } catch (error) {
      const suppressed = this.#logThrottle.tryPass(this, now());
      if (suppressed !== undefined) log(logger, 'processed.not-stored', { err: error, suppressed });
    }
  }
}
