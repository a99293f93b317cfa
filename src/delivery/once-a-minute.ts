const MINUTE_MS = 60_000;

interface Last {
  readonly at: number;
  heldBack: number;
}

/** Lets something happen once a minute for each key, and counts how often it was held back. */
export class OnceAMinute {
  readonly #last = new WeakMap<object, Last>();

  /**
   * Whether it may happen now: how often it was held back since the last time, or undefined where it is held back again.
   *
   * @param now epoch milliseconds
   */
  pass(key: object, now: number): number | undefined {
    const last = this.#last.get(key);
    // A clock that was set back does not make the minute longer.
    if (last !== undefined && now >= last.at && now - last.at < MINUTE_MS) {
      last.heldBack += 1;
      return undefined;
    }
    this.#last.set(key, { at: now, heldBack: 0 });
    return last?.heldBack ?? 0;
  }
}
