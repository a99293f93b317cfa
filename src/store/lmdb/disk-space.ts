import { statfsSync } from 'node:fs';
import { fullDiskError } from './lmdb-file-error.js';

/** Free bytes needed to open a store. Events never use them. */
export const MIN_FREE_BYTES = 1024 * 1024;
/**
 * Extra free bytes that an event must leave, unless it fits into unused pages of the file. LMDB's file never shrinks,
 * so its unused pages are only available to LMDB.
 */
const REUSE_RESERVE = 1024 * 1024;
/** Bytes reserved for removals, which free space, when no other write fits. */
const REMOVAL_RESERVE = 256 * 1024;
/** Bytes a write needs besides its value: pages of the tree and of the free list. */
const PAGE_OVERHEAD_BYTES = 32 * 1024;
/** Milliseconds between checks of the disk. A check costs up to a fifth of a write. */
const CHECK_INTERVAL_MS = 10;

/**
 * The kind of a write. Removals free space, so they need the least. Records keep subscriptions alive, so they are still
 * written when events are already refused.
 */
export type WriteKind = 'removal' | 'record' | 'event';

/**
 * Refuses writes that do not fit on the disk. LMDB's binding does not survive them: a commit on a full disk may corrupt
 * the heap, which ends the process.
 */
export class DiskSpace {
  readonly #directory: string;
  readonly #now: () => number;
  readonly #unusedBytes: () => number;
  #checkedAt = -Infinity;
  /** Free bytes at the last check, minus bytes written since and bytes in flight at the check. */
  #freeBytes = 0;
  #inFlightBytes = 0;

  /**
   * @param unusedBytes bytes of the store's file that hold no data
   * @param now monotonic milliseconds
   */
  constructor(directory: string, unusedBytes: () => number = () => 0, now: () => number = () => performance.now()) {
    this.#directory = directory;
    this.#unusedBytes = unusedBytes;
    this.#now = now;
  }

  /**
   * Runs a write of about `bytes` bytes.
   *
   * @throws Error when the disk has no room for it
   */
  async runWrite<T>(bytes: number, kind: WriteKind, write: () => Promise<T>): Promise<T> {
    const size = bytes + PAGE_OVERHEAD_BYTES;
    const required = size + MIN_FREE_BYTES + REUSE_RESERVE;
    if (this.#now() - this.#checkedAt > CHECK_INTERVAL_MS || this.#freeBytes < required) this.#check();
    if (this.#freeBytes < required && !this.#hasRoom(size, kind)) {
      throw fullDiskError(Math.max(0, this.#freeBytes));
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
    // A long value needs contiguous pages, so not every unused byte can serve it.
    return this.#freeBytes >= size + MIN_FREE_BYTES && this.#unusedBytes() >= 2 * (size + this.#inFlightBytes);
  }

  #check(): void {
    this.#checkedAt = this.#now();
    this.#freeBytes = freeBytes(this.#directory) - this.#inFlightBytes;
  }
}

/** The free bytes of the file system. Infinity when unknown: then only a failing write shows that the disk is full. */
export function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}

/** A rough upper estimate of the bytes a value takes in the store. */
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
