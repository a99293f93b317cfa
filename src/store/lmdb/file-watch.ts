import { statSync } from 'node:fs';

/** How long, in milliseconds, a look at the file holds while the store is busy. */
const CHECK_INTERVAL_MS = 10;
/** A problem that lasts is told of again after so many milliseconds. */
const REPORT_INTERVAL_MS = 60_000;

/** What keeps a store from being used, and how many operations were refused for it since it was last told of. */
export interface FileProblem {
  /** Begins with the file's path. */
  readonly message: string;
  readonly refused: number;
}

/** Dependencies of watching a file. */
export interface FileWatchOptions {
  /** Told when a problem begins, once a minute while it lasts, and with undefined when it is over. */
  readonly onProblem: (problem: FileProblem | undefined) => void;
  /** Milliseconds, of a clock that is never set back. @default performance.now */
  readonly now?: () => number;
}

/**
 * Watches a file that stays open: its path may come to name nothing, or another file, and what is written is lost then. A file
 * that was cut off must not be touched where it is mapped into memory: reading behind its end kills the process.
 */
export class FileWatch {
  readonly #path: string;
  readonly #onProblem: FileWatchOptions['onProblem'];
  readonly #now: () => number;
  readonly #device: bigint;
  readonly #inode: bigint;
  /** The most bytes it had: LMDB never makes its file shorter. */
  #size: bigint;
  #checkedAt: number;
  #problem: string | undefined;
  #isTruncated = false;
  #reportedAt = 0;
  #refused = 0;

  /** @throws whatever the file system answers */
  constructor(path: string, { onProblem, now = () => performance.now() }: FileWatchOptions) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#now = now;
    const { dev, ino, size } = statSync(path, { bigint: true });
    this.#device = dev;
    this.#inode = ino;
    this.#size = size;
    this.#checkedAt = now();
  }

  /** Whether the file became shorter: the memory it is mapped to must not be read. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** The problem found at the last check. While there is one, asking for it checks the file again. */
  get problem(): string | undefined {
    if (this.#problem !== undefined && this.#now() - this.#checkedAt >= CHECK_INTERVAL_MS) this.#check();
    return this.#problem;
  }

  /**
   * To be called before each operation; costs next to nothing within milliseconds of the last look.
   *
   * @throws Error where the store cannot be used
   */
  assertUsable(): void {
    if (this.#now() - this.#checkedAt >= CHECK_INTERVAL_MS) this.#check();
    this.#throwProblem();
  }

  /**
   * To be called after each commit: what was written is lost if the file is not there any more.
   *
   * @throws Error where it is not
   */
  assertNotLost(): void {
    this.#check();
    this.#throwProblem();
  }

  #throwProblem(): void {
    if (this.#problem === undefined) return;
    this.#refused += 1;
    if (this.#now() - this.#reportedAt >= REPORT_INTERVAL_MS) this.#report(this.#problem);
    throw new Error(this.#problem);
  }

  #check(): void {
    this.#checkedAt = this.#now();
    const problem = this.#findProblem();
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#report(problem);
  }

  #findProblem(): string | undefined {
    // Whatever its length is later, LMDB has read something else in the meantime.
    if (this.#isTruncated) return this.#problem;
    try {
      const { dev, ino, size } = statSync(this.#path, { bigint: true });
      if (dev !== this.#device || ino !== this.#inode) {
        return `${this.#path} was replaced by another file. Put the first one back, or restart to use the new one`;
      }
      if (size >= this.#size) {
        this.#size = size;
        return undefined;
      }
      this.#isTruncated = true;
      return `${this.#path} was cut off: it had ${this.#size} bytes, and now has ${size}. Stop, restore a backup, and start again`;
    } catch (error) {
      const { code }: { readonly code?: unknown } = Object(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        return `${this.#path} is gone. Put it back, or restart to begin with an empty store`;
      }
      return `${this.#path} cannot be looked at: ${String(code)}`;
    }
  }

  #report(message: string | undefined): void {
    this.#reportedAt = this.#now();
    this.#onProblem(message === undefined ? undefined : { message, refused: this.#refused });
    this.#refused = 0;
  }
}
