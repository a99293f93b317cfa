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
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(commit: Commit) {
    this.#commit = commit;
  }

  /**
   * Does a write in a transaction, which others may share. Resolves when that is committed and on the disk.
   *
   * @throws what `write` threw, or why there was no commit
   */
  write(write: () => void): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ write, done, fail });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits to be committed. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Whatever else this turn has to write comes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#together(group);
    }
    // In this very turn: what comes a moment later begins anew.
    this.#running = undefined;
  }

  /** The next group need not wait for the disk: only whoever has written does. */
  async #together(group: readonly Waiting[]): Promise<void> {
    const written: Waiting[] = [];
    try {
      const { flushed } = await this.#commit(() => {
        for (const each of group) if (isDone(each)) written.push(each);
      });
      void settle(written, flushed);
    } catch (error) {
      for (const { fail } of group) fail(error);
    }
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
