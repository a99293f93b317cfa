import { withTimeout } from '../timeout.js';

/** How long a write waits that is in no hurry, in milliseconds, where none comes that it could share a commit with. */
const SOON_MS = 20;

/** `'soon'`: it is in no hurry, and comes along with the next write that is. */
export type Urgency = 'now' | 'soon';

/** Milliseconds for which a transaction is written into. Nothing else happens meanwhile, so what is left is for the next one. */
const MAX_TRANSACTION_MS = 8;

/** Milliseconds; a timer cannot be set for longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How long writes and commits take. */
export interface GroupCommitTimes {
  /** How long a write waits that is in no hurry. @default 20 */
  readonly soonMs?: number | undefined;
  /** How long a commit may take. @default unlimited */
  readonly timeoutMs?: number | undefined;
}

/** A write that waits for its commit. */
interface PendingWrite {
  readonly write: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Does writes in one transaction. Resolves when it is committed; `flushed`, when that is on the disk. */
export type Commit = (writes: () => void) => Promise<{ readonly flushed: Promise<void> }>;

/**
 * Commits one at a time: what is to be written while one is under way shares the next. The more is written at the same time,
 * the less of a commit each write has to pay for.
 */
export class GroupCommit {
  readonly #commit: Commit;
  readonly #soonMs: number;
  readonly #timeoutMs: number;
  #pending: PendingWrite[] = [];
  /** Whether one of those that wait is in a hurry. */
  #isUrgent = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs milliseconds a commit may take; then its writes fail, and those that wait for it, which are not done at all */
  constructor(commit: Commit, { soonMs = SOON_MS, timeoutMs = MAX_TIMER_MS }: GroupCommitTimes = {}) {
    this.#commit = commit;
    this.#soonMs = soonMs;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Does a write in a transaction, which others may share. Resolves when that is committed and on the disk.
   *
   * @throws what `write` threw, or why there was no commit
   */
  write(write: () => void, urgency: Urgency = 'now'): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ write, resolve, reject });
      if (urgency === 'now') this.#start();
      else this.#timer ??= setTimeout(() => this.#start(), this.#soonMs);
    });
  }

  /**
   * Resolves when nothing waits to be committed: what was in no hurry is now.
   *
   * @throws Error where a commit does not end
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
    // Whatever else this turn has to write comes along.
    await Promise.resolve();
    while (this.#isUrgent) await this.#commitNext();
    // In this very turn: what comes a moment later begins anew.
    this.#running = undefined;
  }

  /** The next group need not wait for the disk: only whoever has written does. */
  async #commitNext(): Promise<void> {
    let group: readonly PendingWrite[] | undefined;
    const written: PendingWrite[] = [];
    // Again and again: what comes while a commit hangs is not to wait for ever either.
    const timer = setInterval(() => {
      this.#failTimedOut(group);
      // A commit that never ends does not keep the process up.
      timer.unref();
    }, this.#timeoutMs);
    try {
      const { flushed } = await this.#commit(() => {
        // Not before: what comes until there is a transaction shares it.
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
    const error = new Error(`no answer within ${this.#timeoutMs} ms`);
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

/** One write that cannot be done is no reason for the others not to be. */
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
