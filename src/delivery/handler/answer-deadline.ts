/**
 * Milliseconds from a request's last byte to its answer (PROTOCOL C9).
 *
 * Quirk(Google): gives up on a delivery after about 10 s. We answer within 9 s.
 */
const LONGEST_ANSWER_MS = 9_000;

/** Milliseconds of them that are kept for the store, however long the handler takes. */
const KEPT_FOR_STORE_MS = 1_000;

/** The limits that share the time a hub waits. */
export interface AnswerTimes {
  /** How long the handler is waited for. */
  readonly ackAfterMs: number;
  /** How long the store has. */
  readonly storeTimeoutMs: number;
}

/** The time a hub still waits for its answer. */
export class AnswerTime {
  readonly #times: AnswerTimes;
  /** By the clock of `performance.now()`, which nobody sets back. */
  readonly #end: number;
  readonly #ackEnd: number;

  /** @param spentMs milliseconds that are gone by now */
  constructor(times: AnswerTimes, spentMs: number) {
    this.#times = times;
    const now = performance.now();
    this.#end = now + Math.max(LONGEST_ANSWER_MS, times.ackAfterMs + KEPT_FOR_STORE_MS) - spentMs;
    this.#ackEnd = now + times.ackAfterMs;
  }

  /** Milliseconds the handler is waited for, and whatever comes before it. */
  get forHandler(): number {
    return Math.max(0, Math.min(this.#ackEnd - performance.now(), this.#left - KEPT_FOR_STORE_MS));
  }

  /** Milliseconds the store has. */
  get forStore(): number {
    return Math.max(0, Math.floor(Math.min(this.#times.storeTimeoutMs, this.#left)));
  }

  get #left(): number {
    return this.#end - performance.now();
  }
}
