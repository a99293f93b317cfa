import { EventEmitter } from 'node:events';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyvStoreAdapter, StoredData } from 'keyv';
import type { RootDatabase } from 'lmdb';
import { commitErrorOf } from './commit-error.js';
import { DiskSpace, estimateSize, type WriteKind } from './disk-space.js';
import { FileWatch, type FileProblem } from './file-watch.js';
import { onDemand } from '../../on-demand.js';
import { GroupCommit, type Urgency } from './group-commit.js';
import { unusedBytes } from './lmdb-free-pages.js';
import { isEventKey } from '../record-key.js';

/** A row: Keyv's payload and, if it expires, when (milliseconds since the epoch). */
type Row = [payload: unknown, expires?: number];

/** The result of an exchange: a new payload, a removal, or no change. */
export type RowExchange = { readonly set: unknown } | 'delete' | 'keep';

const keysPerRead = 512;
/** Bytes reserved for an exchange. Its result is not known in advance, and is short. */
const EXCHANGE_BYTES = 4_096;

/** Options of the LMDB adapter. */
export interface KeyvLmdbOptions {
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** Milliseconds a commit may take. @default unlimited */
  readonly timeoutMs?: number | undefined;
  /**
   * Called when `data.mdb` is gone, replaced, truncated or unreadable, then at most once a minute while operations are
   * refused. Called with undefined when the problem ends.
   */
  readonly onProblem?: (problem: FileProblem | undefined) => void;
}

/**
 * Keyv's storage adapter for LMDB. Values are encoded with MessagePack, so bytes stay bytes when Keyv does not
 * serialize (`serialize: undefined`, `deserialize: undefined`). A write resolves once it is committed and flushed to
 * disk. Concurrent writes share one commit.
 */
export class KeyvLmdb implements KeyvStoreAdapter {
  readonly opts: { readonly url: string; readonly dialect: string };
  namespace?: string | undefined;
  readonly #database: RootDatabase<unknown, string>;
  readonly #diskSpace: DiskSpace;
  readonly #fileWatch: FileWatch;
  readonly #groupCommit: GroupCommit;
  readonly #events = new EventEmitter();
  readonly #now: () => number;

  /**
   * Opens the database. Creates the directory if needed.
   *
   * @param directory the directory of `data.mdb`.
   * @throws the error of the file system or of LMDB.
   */
  constructor(directory: string, { now = Date.now, timeoutMs, onProblem = () => undefined }: KeyvLmdbOptions = {}) {
    this.opts = { url: `lmdb://${directory}`, dialect: 'lmdb' };
    this.#now = now;
    this.#groupCommit = new GroupCommit((writes) => this.#commit(writes), { timeoutMs });
    this.#database = onDemand('lmdb').open<unknown, string>(directory, {
      // Set explicitly: otherwise a directory name with a dot would be created as a file.
      noSubdir: false,
      // With batching, a failed commit rejects a promise nobody holds, which ends the process. Writes share commits
      // anyway.
      eventTurnBatching: false,
    });
    restrictFilePermissions(directory);
    const path = join(directory, 'data.mdb');
    this.#diskSpace = new DiskSpace(directory, () => unusedBytes(this.#database.getStats(), path));
    this.#fileWatch = new FileWatch(path, { onProblem });
  }

  /** The known reason why the store cannot be used; undefined when there is none. */
  get problem(): string | undefined {
    return this.#fileWatch.problem;
  }

  on(event: string, listener: (...values: unknown[]) => void): this {
    this.#events.on(event, listener);
    return this;
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    const row = this.#read(key);
    if (row === undefined) return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Keyv's interface promises a type no adapter knows.
    if (!this.#isExpired(row)) return row[0] as StoredData<Value>;
    await this.delete(key);
    return undefined;
  }

  getMany<Value>(keys: string[]): Promise<StoredData<Value>[]> {
    return Promise.all(keys.map((key) => this.get<Value>(key)));
  }

  /** @param ttl milliseconds to live. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const row: Row = ttl === undefined ? [value] : [value, this.#now() + ttl];
    const kind = isEventKey(key) ? 'event' : 'record';
    await this.#write(estimateSize(value), kind, () => this.#database.putSync(key, row));
    return true;
  }

  /** Writes several keys in one transaction. An undefined value removes its key. */
  async setAll(rows: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    const bytes = rows.reduce((sum, [, value]) => sum + (value === undefined ? 0 : estimateSize(value)), 0);
    await this.#write(bytes, 'record', () => {
      for (const [key, value] of rows) {
        if (value === undefined) this.#database.removeSync(key);
        else this.#database.putSync(key, [value]);
      }
    });
  }

  async delete(key: string): Promise<boolean> {
    return this.deleteMany([key]);
  }

  /** Resolves to whether any of the keys existed. */
  async deleteMany(keys: string[]): Promise<boolean> {
    this.#fileWatch.assertUsable();
    const present = keys.filter((key) => this.#database.doesExist(key));
    if (present.length > 0)
      await this.#write(0, 'removal', () => present.forEach((key) => this.#database.removeSync(key)));
    return present.length > 0;
  }

  /** Removes a key if it exists, in the commit of the next write or after 20 ms. */
  async deleteSoon(key: string): Promise<void> {
    await this.#write(0, 'removal', () => this.#database.removeSync(key), 'soon');
  }

  async has(key: string): Promise<boolean> {
    const row = this.#read(key);
    return row !== undefined && !this.#isExpired(row);
  }

  /** Removes the keys of the namespace; without one, every key. */
  async clear(): Promise<void> {
    if (this.namespace === undefined) {
      await this.#write(0, 'removal', () => this.#database.clearSync());
      return;
    }
    for (const keys of this.#keyPages(`${this.namespace}:`)) await this.deleteMany(keys);
  }

  /** Yields the keys with a prefix that ends in `:`, in order, a page at a time. Without a prefix, yields every key. */
  *keys(prefix?: string): Generator<string> {
    for (const keys of this.#keyPages(prefix)) yield* keys;
  }

  /** Returns the payload of a key synchronously; undefined when there is none. */
  payload(key: string): unknown {
    const row = this.#read(key);
    return row === undefined || this.#isExpired(row) ? undefined : row[0];
  }

  async *iterator<Value>(namespace?: string): AsyncGenerator<(string | Awaited<Value> | undefined)[], void> {
    for (const key of this.keys(namespace === undefined ? undefined : `${namespace}:`)) {
      const row = this.#read(key);
      if (row === undefined) continue;
      if (this.#isExpired(row)) this.#deleteExpired(key);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above.
      else yield [key, row[0] as Awaited<Value>];
    }
  }

  /** Reads and replaces one payload in a write transaction. Only one process at a time can be in such a transaction. */
  async exchange(key: string, decide: (current: unknown) => RowExchange): Promise<void> {
    await this.#write(EXCHANGE_BYTES, 'record', () => {
      const row = this.#read(key);
      const result = decide(row === undefined || this.#isExpired(row) ? undefined : row[0]);
      if (result === 'delete') this.#database.removeSync(key);
      else if (result !== 'keep') this.#database.putSync(key, [result.set]);
    });
  }

  /** Waits for pending writes and closes the database. A truncated file is left alone. */
  async disconnect(): Promise<void> {
    await this.#groupCommit.idle();
    if (!this.#fileWatch.isTruncated) await this.#database.close();
  }

  /**
   * Runs a write of about `bytes` bytes if the disk has room. Resolves when it is committed and flushed.
   *
   * @throws the reason why it failed
   */
  #write(bytes: number, kind: WriteKind, write: () => unknown, urgency?: Urgency): Promise<void> {
    this.#fileWatch.assertUsable();
    return this.#diskSpace.runWrite(bytes, kind, () => this.#groupCommit.write(write, urgency));
  }

  async #commit(writes: () => void): Promise<{ readonly flushed: Promise<void> }> {
    const committing = this.#database.transaction(writes);
    // Read before waiting: `flushed` then belongs to this commit, not to a later one that may fail.
    const flushed = this.#database.flushed.then(() => undefined);
    flushed.catch(() => undefined);
    try {
      await committing;
    } catch (error) {
      throw await commitErrorOf(error);
    }
    this.#fileWatch.assertNotLost();
    return { flushed };
  }

  #read(key: string): Row | undefined {
    this.#fileWatch.assertUsable();
    const row = this.#database.get(key);
    if (row === undefined || isRow(row)) return row;
    throw new TypeError('the stored value was not written by this adapter');
  }

  #isExpired([, expires]: Row): boolean {
    return expires !== undefined && this.#now() > expires;
  }

  #deleteExpired(key: string): void {
    this.delete(key).catch((error: unknown) => {
      if (this.#events.listenerCount('error') > 0) this.#events.emit('error', error);
    });
  }

  // Pages instead of one range: an open range keeps a read transaction open, which stops LMDB from reusing space.
  *#keyPages(prefix: string | undefined): Generator<string[]> {
    // `;` follows `:` in ASCII, so the range ends after the last key with the prefix.
    const end = prefix === undefined ? {} : { end: `${prefix.slice(0, -1)};` };
    let after: string | undefined;
    for (;;) {
      this.#fileWatch.assertUsable();
      const start = after ?? prefix;
      const range = { ...(start === undefined ? {} : { start }), ...end, exclusiveStart: after !== undefined };
      const keys = [...this.#database.getKeys({ ...range, limit: keysPerRead })];
      if (keys.length > 0) yield keys;
      after = keys.at(-1);
      if (keys.length < keysPerRead) return;
    }
  }
}

function isRow(value: unknown): value is Row {
  return Array.isArray(value) && value.length >= 1 && value.length <= 2;
}

/** Without a seal key the files hold plain-text secrets, and the directory may be readable by others. */
function restrictFilePermissions(directory: string): void {
  for (const name of ['data.mdb', 'lock.mdb']) {
    try {
      chmodSync(join(directory, name), 0o600);
    } catch {
      // Another user owns the file, or the file system has no modes: leave the permissions to its owner.
    }
  }
}
