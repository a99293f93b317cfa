const MINUTE_MS = 60_000;

/** Lines that may be written: a burst at first, then one a minute. */
export class TokenBucket {
  readonly #burst: number;
  #tokens: number;
  /** Epoch milliseconds. */
  #refilledAt: number;

  constructor(burst: number, now: number) {
    this.#burst = burst;
    this.#tokens = burst;
    this.#refilledAt = now;
  }

  /** Takes one line where there is one. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** When there is a line to take, in epoch milliseconds; it may be past. */
  get nextAt(): number {
    return this.#tokens >= 1 ? this.#refilledAt : this.#refilledAt + MINUTE_MS;
  }

  #refill(now: number): void {
    // A clock that was set back starts the minute again.
    const minutes = now < this.#refilledAt ? 0 : Math.floor((now - this.#refilledAt) / MINUTE_MS);
    this.#tokens = Math.min(this.#burst, this.#tokens + minutes);
    const isFull = this.#tokens === this.#burst;
    this.#refilledAt = isFull || now < this.#refilledAt ? now : this.#refilledAt + minutes * MINUTE_MS;
  }
}
