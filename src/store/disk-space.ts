import { statfsSync } from 'node:fs';

/** Left for removals, which make space, when nothing more is written. */
const RESERVE = 1024 * 1024;
/** The pages that a write has beside its value: those of the tree, and of the list of free ones. */
const PAGES = 32 * 1024;
/** How long, in milliseconds, a look at the disk holds: it costs as much as a fifth of a write. */
const LOOK_MS = 10;

/**
 * Refuses writes that a disk has no room for. LMDB's binding does not survive them: a commit that finds the disk full may
 * leave the heap in pieces, which ends the process.
 */
export class DiskSpace {
  readonly #directory: string;
  readonly #now: () => number;
  #lookedAt = -Infinity;
  /** Bytes that were free then, less what has been written since and what was under way. */
  #left = 0;
  #underWay = 0;

  /** @param now milliseconds, of a clock that is never set back */
  constructor(directory: string, now: () => number = () => performance.now()) {
    this.#directory = directory;
    this.#now = now;
  }

  /**
   * Does a write of so many bytes, or a removal (none).
   *
   * @throws Error where the disk has no room for it
   */
  async take<T>(bytes: number, write: () => Promise<T>): Promise<T> {
    const size = bytes + PAGES;
    const needed = bytes === 0 ? size : size + RESERVE;
    if (this.#now() - this.#lookedAt > LOOK_MS || this.#left < needed) this.#look();
    if (this.#left < needed) throw new Error(`no space left on the device: ${Math.max(0, this.#left)} bytes are free`);
    this.#left -= size;
    this.#underWay += size;
    try {
      return await write();
    } finally {
      this.#underWay -= size;
    }
  }

  #look(): void {
    this.#lookedAt = this.#now();
    try {
      const { bavail, bsize } = statfsSync(this.#directory);
      this.#left = bavail * bsize - this.#underWay;
    } catch {
      // A file system that does not say has to show it.
      this.#left = Infinity;
    }
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
