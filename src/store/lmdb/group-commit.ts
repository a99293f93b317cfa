import { timeoutError, withTimeout } from '../timeout.js';

/** Milliseconds a `'soon'` write waits for another write to share its commit. */
const SOON_MS = 20;

/** `'soon'`: waits up to 20 ms by default to share a commit with other writes. */
export type Urgency = 'now' | 'soon';

/**
 * Maximum milliseconds of writing in one transaction. Writes block the event loop, so the remaining ones go into the
 * next transaction.
 */
const MAX_TRANSACTION_MS = 8;

/** The longest delay a timer supports, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Time limits of writes and commits, in milliseconds. */
export interface GroupCommitTimes {
  /** How long a `'soon'` write waits to share a commit. @default 20 */
  readonly soonMs?: number | undefined;
  /** How long a commit may take. @default unlimited */
  readonly timeoutMs?: number | undefined;
}

/** A write waiting for its commit. */
interface PendingWrite {
  readonly write: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Runs writes in one transaction. Resolves when it is committed; `flushed` resolves when it is on disk. */
export type Commit = (writes: () => void) => Promise<{ readonly flushed: Promise<void> }>;

/**
 * Runs one commit at a time. Writes that arrive during a commit share the next one, so concurrent writes split the cost
 * of a commit.
 */
export class GroupCommit {
  readonly #commit: Commit;
  readonly #soonMs: number;
  readonly #timeoutMs: number;
  #pending: PendingWrite[] = [];
  /** Whether a pending write is `'now'`, or a `'soon'` write has waited long enough. */
  #isUrgent = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeoutMs milliseconds a commit may take. After that its writes fail, and the writes waiting behind it fail
   *   without being run.
   */
  constructor(commit: Commit, { soonMs = SOON_MS, timeoutMs = MAX_TIMER_MS }: GroupCommitTimes = {}) {
    this.#commit = commit;
    this.#soonMs = soonMs;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Runs a write in a transaction that it may share with others. Resolves when the transaction is committed and on
   * disk.
   *
   * @throws the error of `write`, or the reason why the commit failed
   */
  write(write: () => void, urgency: Urgency = 'now'): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ write, resolve, reject });
      if (urgency === 'now') this.#start();
      else this.#timer ??= setTimeout(() => this.#start(), this.#soonMs);
    });
  }

  /**
   * Resolves when no commit is pending. Commits pending `'soon'` writes at once.
   *
   * @throws Error when a commit does not finish in time
   */
  async idle(): Promise<void> {
    if (this.#pending.length > 0) this.#start();
    while (this.#running !== undefined) await withTimeout(this.#running, this.#timeoutMs);
  }

  #start(): void {
    this.#isUrgent = true;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Lets writes made in the same tick join.
    await Promise.resolve();
    while (this.#isUrgent) await this.#commitNext();
    // Reset synchronously, so that a write arriving a moment later starts a new run.
    this.#running = undefined;
  }

  /** Does not wait for the disk: only the writers of this group wait for the flush. */
  async #commitNext(): Promise<void> {
    let group: readonly PendingWrite[] | undefined;
    const written: PendingWrite[] = [];
    // An interval, because writes that arrive while a commit hangs must time out as well.
    const timer = setInterval(() => {
      this.#failTimedOut(group);
      // A commit that never ends must not keep the process alive.
      timer.unref();
    }, this.#timeoutMs);
    try {
      const { flushed } = await this.#commit(() => {
        // Taken here, so that writes arriving before the transaction starts share it.
        group = this.#takePending();
        const startedAt = performance.now();
        let tried = 0;
        for (const pending of group) {
          if (tried > 0 && performance.now() - startedAt > MAX_TRANSACTION_MS) break;
          tried += 1;
          if (tryWrite(pending)) written.push(pending);
        }
        this.#putBack(group.slice(tried));
        group = group.slice(0, tried);
      });
      void settleWhenFlushed(written, withTimeout(flushed, this.#timeoutMs));
    } catch (error) {
      for (const { reject } of group ?? this.#takePending()) reject(error);
    } finally {
      clearInterval(timer);
    }
  }

  #failTimedOut(group: readonly PendingWrite[] = []): void {
    const error = timeoutError(this.#timeoutMs);
    for (const { reject } of [...group, ...this.#takePending()]) reject(error);
  }

  #putBack(writes: readonly PendingWrite[]): void {
    if (writes.length === 0) return;
    this.#pending = [...writes, ...this.#pending];
    this.#isUrgent = true;
  }

  #takePending(): readonly PendingWrite[] {
    const group = this.#pending;
    this.#pending = [];
    this.#isUrgent = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return group;
  }
}

/** Runs one write. A failing write does not fail the others of its group. */
function tryWrite({ write, reject }: PendingWrite): boolean {
  try {
    write();
    return true;
  } catch (error) {
    reject(error);
    return false;
  }
}

async function settleWhenFlushed(written: readonly PendingWrite[], flushed: Promise<void>): Promise<void> {
  try {
    await flushed;
    for (const { resolve } of written) resolve();
  } catch (error) {
    for (const { reject } of written) reject(error);
  }
}
