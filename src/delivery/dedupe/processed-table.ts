import type { ProcessedVersion } from './processed-version.js';

/** Number of maps. V8 copies a map whole as it grows: one map of 250,000 keys would block the process for 30 ms. */
const PARTS = 256;

/** Byte offsets of the fields in a row, and the length of a row. */
const [AT, STORED_AT, UPDATED, OLDER, NEWER, IS_DELETED, IS_BASELINE, ROW_BYTES] = [
  0, 8, 16, 24, 28, 32, 33, 40,
] as const;
const PAGE_ROWS = 256;

/** Stands for no row. */
const NONE = -1;

/**
 * Processed versions by key, in the order they were set. Each change takes the same short time at any size. Numbers
 * are packed into bytes, because as objects they would make garbage collection several times slower.
 */
export class ProcessedTable {
  readonly #parts: (Map<string, number> | undefined)[] = Array.from({ length: PARTS });
  readonly #pages: (DataView | undefined)[] = [];
  /** Keys, by row. */
  readonly #keys: string[] = [];
  readonly #versions: string[] = [];
  readonly #unused: number[] = [];
  #oldest = NONE;
  #newest = NONE;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: string): boolean {
    return this.#partOf(key).has(key);
  }

  get(key: string): ProcessedVersion | undefined {
    const row = this.#partOf(key).get(key);
    if (row === undefined) return undefined;
    const [page, start] = [this.#pageOf(row), startOf(row)];
    const updated = page.getFloat64(start + UPDATED);
    return {
      at: page.getFloat64(start + AT),
      version: this.#versions[row] ?? '',
      updated: Number.isNaN(updated) ? undefined : updated,
      deleted: page.getInt8(start + IS_DELETED) === 1 ? true : undefined,
      isBaseline: page.getInt8(start + IS_BASELINE) === 1 ? true : undefined,
      storedAt: page.getFloat64(start + STORED_AT),
    };
  }

  /** Sets a version and makes its key the newest. */
  set(key: string, { at, version, updated = Number.NaN, deleted, isBaseline, storedAt }: ProcessedVersion): void {
    const part = this.#partOf(key);
    const existing = part.get(key);
    const row = existing ?? this.#unused.pop() ?? this.#keys.length;
    if (existing === undefined) {
      part.set(key, row);
      this.#keys[row] = key;
      this.#size += 1;
    } else {
      this.#unlink(row);
    }
    this.#versions[row] = version;
    const [page, start] = [this.#pageOf(row), startOf(row)];
    page.setFloat64(start + AT, at);
    page.setFloat64(start + STORED_AT, storedAt);
    page.setFloat64(start + UPDATED, updated);
    page.setInt8(start + IS_DELETED, deleted === true ? 1 : 0);
    page.setInt8(start + IS_BASELINE, isBaseline === true ? 1 : 0);
    this.#link(this.#newest, row);
    this.#link(row, NONE);
  }

  delete(key: string): void {
    const part = this.#partOf(key);
    const row = part.get(key);
    if (row === undefined) return;
    part.delete(key);
    this.#unlink(row);
    this.#keys[row] = '';
    this.#versions[row] = '';
    this.#unused.push(row);
    this.#size -= 1;
  }

  /** The key set longest ago. */
  oldest(): string | undefined {
    return this.#keys[this.#oldest];
  }

  /** All keys, oldest first. */
  keys(): readonly string[] {
    const keys: string[] = [];
    for (let row = this.#oldest; row !== NONE; row = this.#pageOf(row).getInt32(startOf(row) + NEWER)) {
      keys.push(this.#keys[row] ?? '');
    }
    return keys;
  }

  /** Links two rows in order. `NONE` stands for either end. */
  #link(older: number, newer: number): void {
    if (older === NONE) this.#oldest = newer;
    else this.#pageOf(older).setInt32(startOf(older) + NEWER, newer);
    if (newer === NONE) this.#newest = older;
    else this.#pageOf(newer).setInt32(startOf(newer) + OLDER, older);
  }

  #unlink(row: number): void {
    const [page, start] = [this.#pageOf(row), startOf(row)];
    this.#link(page.getInt32(start + OLDER), page.getInt32(start + NEWER));
  }

  #pageOf(row: number): DataView {
    return (this.#pages[Math.floor(row / PAGE_ROWS)] ??= new DataView(new ArrayBuffer(PAGE_ROWS * ROW_BYTES)));
  }

  #partOf(key: string): Map<string, number> {
    let hash = 0;
    // Keys are digests, so their first characters are enough.
    for (let index = 0; index < Math.min(key.length, 8); index += 1) hash = (hash * 31 + key.charCodeAt(index)) | 0;
    return (this.#parts[hash & (PARTS - 1)] ??= new Map());
  }
}

function startOf(row: number): number {
  return (row % PAGE_ROWS) * ROW_BYTES;
}
