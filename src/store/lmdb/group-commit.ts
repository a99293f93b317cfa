import { within } from '../timeout.js';

/** How long a write waits that is in no hurry, in milliseconds, where none comes that it could share a commit with. */
const SOON_MS = 20;

/** `'soon'`: it is in no hurry, and comes along with the next write that is. */
export type Urgency = 'now' | 'soon';

/** Milliseconds for which a transaction is written into. Nothing else happens meanwhile, so what is left is for the next one. */
const WRITING_MS = 8;

/** Milliseconds; a timer cannot be set for longer. */
const LONGEST_MS = 2 ** 31 - 1;

/** How long writes and commits take. */
export interface GroupCommitTimes {
  /** How long a write waits that is in no hurry. @default 20 */
  readonly soonMs?: number | undefined;
  /** How long a commit may take. @default unlimited */
  readonly timeoutMs?: number | undefined;
}

/** A write that waits for its commit. */
interface Waiting {
  readonly write: () => void;
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
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
  #waiting: Waiting[] = [];
  /** Whether one of those that wait is in a hurry. */
  #isUrgent = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs milliseconds a commit may take; then its writes fail, and those that wait for it, which are not done at all */
  constructor(commit: Commit, { soonMs = SOON_MS, timeoutMs = LONGEST_MS }: GroupCommitTimes = {}) {
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
    return new Promise((done, fail) => {
      this.#waiting.push({ write, done, fail });
      if (urgency === 'now') this.#begin();
      else this.#timer ??= setTimeout(() => this.#begin(), this.#soonMs);
    });
  }

  /**
   * Resolves when nothing waits to be committed: what was in no hurry is now.
   *
   * @throws Error where a commit does not end
   */
  async idle(): Promise<void> {
    if (this.#waiting.length > 0) this.#begin();
    while (this.#running !== undefined) await within(this.#running, this.#timeoutMs);
  }

  #begin(): void {
    this.#isUrgent = true;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Whatever else this turn has to write comes along.
    await Promise.resolve();
    while (this.#isUrgent) await this.#together();
    // In this very turn: what comes a moment later begins anew.
    this.#running = undefined;
  }

  /** The next group need not wait for the disk: only whoever has written does. */
  async #together(): Promise<void> {
    let group: readonly Waiting[] | undefined;
    const written: Waiting[] = [];
    // Again and again: what comes while a commit hangs is not to wait for ever either.
    const timer = setInterval(() => {
      this.#failLate(group);
      // A commit that never ends does not keep the process up.
      timer.unref();
    }, this.#timeoutMs);
    try {
      const { flushed } = await this.#commit(() => {
        // Not before: what comes until there is a transaction shares it.
        group = this.#take();
        const begun = performance.now();
        let tried = 0;
        for (const each of group) {
          if (tried > 0 && performance.now() - begun > WRITING_MS) break;
          tried += 1;
          if (isDone(each)) written.push(each);
        }
        this.#putBack(group.slice(tried));
        group = group.slice(0, tried);
      });
      void settle(written, within(flushed, this.#timeoutMs));
    } catch (error) {
      for (const { fail } of group ?? this.#take()) fail(error);
    } finally {
      clearInterval(timer);
    }
  }

  #failLate(group: readonly Waiting[] = []): void {
    const error = new Error(`no answer within ${this.#timeoutMs} ms`);
    for (const { fail } of [...group, ...this.#take()]) fail(error);
  }

  #putBack(left: readonly Waiting[]): void {
    if (left.length === 0) return;
    this.#waiting = [...left, ...this.#waiting];
    this.#isUrgent = true;
  }

  #take(): readonly Waiting[] {
    const group = this.#waiting;
    this.#waiting = [];
    this.#isUrgent = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return group;
  }
}

/** One write that cannot be done is no reason for the others not to be. */
function isDone({ write, fail }: Waiting): boolean {
  try {
    write();
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

async function settle(written: readonly Waiting[], flushed: Promise<void>): Promise<void> {
  try {
    await flushed;
    for (const { done } of written) done();
  } catch (error) {
    for (const { fail } of written) fail(error);
  }
}
