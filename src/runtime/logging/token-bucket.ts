const MINUTE_MS = 60_000;

/** Limits lines: a burst first, then one per minute. */
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

  /** Takes a token. Returns false if there is none. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** The time of the next token, in epoch milliseconds. May be in the past. */
  get nextAt(): number {
    return this.#tokens >= 1 ? this.#refilledAt : this.#refilledAt + MINUTE_MS;
  }

  #refill(now: number): void {
    // After the clock was set back, the minute starts again.
    const minutes = now < this.#refilledAt ? 0 : Math.floor((now - this.#refilledAt) / MINUTE_MS);
    this.#tokens = Math.min(this.#burst, this.#tokens + minutes);
    const isFull = this.#tokens === this.#burst;
    this.#refilledAt = isFull || now < this.#refilledAt ? now : this.#refilledAt + minutes * MINUTE_MS;
  }
}
