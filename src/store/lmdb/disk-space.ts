import { statfsSync } from 'node:fs';

/** Bytes the disk must have for a store to be opened. Events never take them. */
export const MIN_FREE_BYTES = 1024 * 1024;
/** Left beside that by events that need more room of the disk, for those that do not: LMDB's file never becomes shorter. */
const REUSE_RESERVE = 1024 * 1024;
/** Left for removals, which make space, when nothing more is written. */
const REMOVAL_RESERVE = 256 * 1024;
/** The pages that a write has beside its value: those of the tree, and of the list of free ones. */
const PAGE_OVERHEAD_BYTES = 32 * 1024;
/** How long, in milliseconds, a look at the disk holds: it costs as much as a fifth of a write. */
const CHECK_INTERVAL_MS = 10;

/**
 * What is written. Removals make space, so they need least. Records that keep subscriptions alive are written when events are
 * refused already.
 */
export type WriteKind = 'removal' | 'record' | 'event';

/**
 * Refuses writes that a disk has no room for. LMDB's binding does not survive them: a commit that finds the disk full may
 * leave the heap in pieces, which ends the process.
 */
export class DiskSpace {
  readonly #directory: string;
  readonly #now: () => number;
  readonly #unusedBytes: () => number;
  #checkedAt = -Infinity;
  /** Bytes that were free then, less what has been written since and what was under way. */
  #freeBytes = 0;
  #inFlightBytes = 0;

  /**
   * @param unusedBytes the bytes of the store's file that hold nothing
   * @param now milliseconds, of a clock that is never set back
   */
  constructor(directory: string, unusedBytes: () => number = () => 0, now: () => number = () => performance.now()) {
    this.#directory = directory;
    this.#unusedBytes = unusedBytes;
    this.#now = now;
  }

  /**
   * Does a write of so many bytes.
   *
   * @throws Error where the disk has no room for it
   */
  async runWrite<T>(bytes: number, kind: WriteKind, write: () => Promise<T>): Promise<T> {
    const size = bytes + PAGE_OVERHEAD_BYTES;
    const required = size + MIN_FREE_BYTES + REUSE_RESERVE;
    if (this.#now() - this.#checkedAt > CHECK_INTERVAL_MS || this.#freeBytes < required) this.#check();
    if (this.#freeBytes < required && !this.#hasRoom(size, kind)) {
      throw new Error(`no space left on the device: ${Math.max(0, this.#freeBytes)} bytes are free`);
    }
    this.#freeBytes -= size;
    this.#inFlightBytes += size;
    try {
      return await write();
    } finally {
      this.#inFlightBytes -= size;
    }
  }

  #hasRoom(size: number, kind: WriteKind): boolean {
    if (kind === 'removal') return this.#freeBytes >= size;
    if (kind === 'record') return this.#freeBytes >= size + REMOVAL_RESERVE;
    // A long value needs pages that lie side by side, so not every unused byte will do.
    return this.#freeBytes >= size + MIN_FREE_BYTES && this.#unusedBytes() >= 2 * (size + this.#inFlightBytes);
  }

  #check(): void {
    this.#checkedAt = this.#now();
    this.#freeBytes = freeBytes(this.#directory) - this.#inFlightBytes;
  }
}

/** The free bytes of the file system. Infinity if it does not tell: then only a failing write shows that it is full. */
export function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}

/** No fewer bytes than a value takes in the store, roughly. */
export function estimateSize(value: unknown): number {
  if (typeof value === 'string') return 3 * value.length + 5;
  if (value instanceof Uint8Array) return value.byteLength + 9;
  if (typeof value !== 'object' || value === null) return 9;
  let size = 9;
  if (Array.isArray(value)) {
    for (const part of value) size += estimateSize(part);
    return size;
  }
  const fields: Readonly<Record<string, unknown>> = Object(value);
  for (const name of Object.keys(fields)) size += 3 * name.length + 5 + estimateSize(fields[name]);
  return size;
}
