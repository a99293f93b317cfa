import { statfsSync } from 'node:fs';

/** Bytes the disk must have for a store to be opened. Events never take them. */
export const LEAST_FREE = 1024 * 1024;
/** Left beside that by events that need more room of the disk, for those that do not: LMDB's file never becomes shorter. */
const REUSE_RESERVE = 1024 * 1024;
/** Left for removals, which make space, when nothing more is written. */
const REMOVAL_RESERVE = 256 * 1024;
/** The pages that a write has beside its value: those of the tree, and of the list of free ones. */
const PAGES = 32 * 1024;
/** How long, in milliseconds, a look at the disk holds: it costs as much as a fifth of a write. */
const LOOK_MS = 10;

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
  readonly #unused: () => number;
  #lookedAt = -Infinity;
  /** Bytes that were free then, less what has been written since and what was under way. */
  #left = 0;
  #underWay = 0;

  /**
   * @param unused the bytes of the store's file that hold nothing
   * @param now milliseconds, of a clock that is never set back
   */
  constructor(directory: string, unused: () => number = () => 0, now: () => number = () => performance.now()) {
    this.#directory = directory;
    this.#unused = unused;
    this.#now = now;
  }

  /**
   * Does a write of so many bytes.
   *
   * @throws Error where the disk has no room for it
   */
  async take<T>(bytes: number, kind: WriteKind, write: () => Promise<T>): Promise<T> {
    const size = bytes + PAGES;
    const most = size + LEAST_FREE + REUSE_RESERVE;
    if (this.#now() - this.#lookedAt > LOOK_MS || this.#left < most) this.#look();
    if (this.#left < most && !this.#hasRoom(size, kind)) {
      throw new Error(`no space left on the device: ${Math.max(0, this.#left)} bytes are free`);
    }
    this.#left -= size;
    this.#underWay += size;
    try {
      return await write();
    } finally {
      this.#underWay -= size;
    }
  }

  #hasRoom(size: number, kind: WriteKind): boolean {
    if (kind === 'removal') return this.#left >= size;
    if (kind === 'record') return this.#left >= size + REMOVAL_RESERVE;
    // A long value needs pages that lie side by side, so not every unused byte will do.
    return this.#left >= size + LEAST_FREE && this.#unused() >= 2 * (size + this.#underWay);
  }

  #look(): void {
    this.#lookedAt = this.#now();
    this.#left = freeBytes(this.#directory) - this.#underWay;
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
export function roughSize(value: unknown): number {
  if (typeof value === 'string') return 3 * value.length + 5;
  if (value instanceof Uint8Array) return value.byteLength + 9;
  if (typeof value !== 'object' || value === null) return 9;
  let size = 9;
  if (Array.isArray(value)) {
    for (const part of value) size += roughSize(part);
    return size;
  }
  const fields: Readonly<Record<string, unknown>> = Object(value);
  for (const name of Object.keys(fields)) size += 3 * name.length + 5 + roughSize(fields[name]);
  return size;
}
