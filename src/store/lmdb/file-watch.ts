import { statSync } from 'node:fs';
import { OPEN_FILE_PROBLEM } from './lmdb-file-error.js';

/** Milliseconds between checks of the file while the store is busy. */
const CHECK_INTERVAL_MS = 10;
/** Milliseconds between two reports of the same problem. */
const REPORT_INTERVAL_MS = 60_000;

/** Why a store cannot be used, and how many operations were refused since the last report. */
export interface FileProblem {
  /** Begins with the file's path. */
  readonly message: string;
  readonly refused: number;
}

/** Options of {@link FileWatch}. */
export interface FileWatchOptions {
  /**
   * Called when a problem begins or changes, and at most once a minute while operations are refused. Called with
   * undefined when the problem ends.
   */
  readonly onProblem: (problem: FileProblem | undefined) => void;
  /** Monotonic milliseconds. @default performance.now */
  readonly now?: () => number;
}

/**
 * Watches an open file. Its path may stop existing or name another file; writes are then lost. A truncated file that is
 * mapped into memory must not be read: reading past its end kills the process.
 */
export class FileWatch {
  readonly #path: string;
  readonly #onProblem: FileWatchOptions['onProblem'];
  readonly #now: () => number;
  readonly #device: bigint;
  readonly #inode: bigint;
  /** The largest size seen, in bytes. LMDB never shrinks its file. */
  #size: bigint;
  #checkedAt: number;
  #problem: string | undefined;
  #isTruncated = false;
  #reportedAt = 0;
  #refused = 0;

  /** @throws the file system's error */
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

  /** Whether the file was truncated. Its mapped memory must not be read then. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** The last problem found. While it lasts, each read checks the file again, at most every 10 ms. */
  get problem(): string | undefined {
    if (this.#problem !== undefined && this.#now() - this.#checkedAt >= CHECK_INTERVAL_MS) this.#check();
    return this.#problem;
  }

  /**
   * Call before each operation. Costs almost nothing within 10 ms of the last check.
   *
   * @throws Error when the store cannot be used
   */
  assertUsable(): void {
    if (this.#now() - this.#checkedAt >= CHECK_INTERVAL_MS) this.#check();
    this.#throwProblem();
  }

  /**
   * Call after each commit: the written data is lost when the file is gone.
   *
   * @throws Error when the file is gone, replaced or truncated
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
    // Truncation is final: LMDB has read wrong data by now, whatever the size is later.
    if (this.#isTruncated) return this.#problem;
    try {
      const { dev, ino, size } = statSync(this.#path, { bigint: true });
      if (dev !== this.#device || ino !== this.#inode) return OPEN_FILE_PROBLEM.replaced(this.#path);
      if (size >= this.#size) {
        this.#size = size;
        return undefined;
      }
      this.#isTruncated = true;
      return OPEN_FILE_PROBLEM.truncated(this.#path, this.#size, size);
    } catch (error) {
      const { code }: { readonly code?: unknown } = Object(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return OPEN_FILE_PROBLEM.missing(this.#path);
      return OPEN_FILE_PROBLEM.unreadable(this.#path, code);
    }
  }

  #report(message: string | undefined): void {
    this.#reportedAt = this.#now();
    this.#onProblem(message === undefined ? undefined : { message, refused: this.#refused });
    this.#refused = 0;
  }
}
