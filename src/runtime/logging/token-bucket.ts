const MINUTE_MS = 60_000;

/** Lines that may be written: a burst at first, then one a minute. */
export class LineBudget {
  readonly #burst: number;
  #left: number;
  /** Epoch milliseconds. */
  #countedAt: number;

  constructor(burst: number, now: number) {
    this.#burst = burst;
    this.#left = burst;
    this.#countedAt = now;
  }

  /** Takes one line where there is one. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** When there is a line to take, in epoch milliseconds; it may be past. */
  get nextAt(): number {
    return this.#left >= 1 ? this.#countedAt : this.#countedAt + MINUTE_MS;
  }

  #refill(now: number): void {
    // A clock that was set back starts the minute again.
    const minutes = now < this.#countedAt ? 0 : Math.floor((now - this.#countedAt) / MINUTE_MS);
    this.#left = Math.min(this.#burst, this.#left + minutes);
    const isFull = this.#left === this.#burst;
    this.#countedAt = isFull || now < this.#countedAt ? now : this.#countedAt + minutes * MINUTE_MS;
  }
}
