const MINUTE_MS = 60_000;

interface LastPass {
  /** Epoch milliseconds. */
  readonly at: number;
  suppressed: number;
}

/** Allows an action once a minute for each key, and counts the suppressed ones. */
export class Throttle {
  readonly #last = new WeakMap<object, LastPass>();

  /**
   * The number of actions suppressed since the last allowed one; undefined if this one is suppressed too.
   *
   * @param now epoch milliseconds
   */
  tryPass(key: object, now: number): number | undefined {
    const last = this.#last.get(key);
    // If the clock was set back, the action is allowed, so the wait never exceeds a minute.
    if (last !== undefined && now >= last.at && now - last.at < MINUTE_MS) {
      last.suppressed += 1;
      return undefined;
    }
    this.#last.set(key, { at: now, suppressed: 0 });
    return last?.suppressed ?? 0;
  }
}
