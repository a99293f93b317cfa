/**
 * Milliseconds from a request's last byte to its answer (PROTOCOL C9).
 *
 * Quirk(Google): gives up on a delivery after about 10 s. We answer within 9 s.
 */
const MAX_ANSWER_MS = 9_000;

/** Milliseconds of them that are kept for the store, however long the handler takes. */
const STORE_RESERVE_MS = 1_000;

/** The limits that share the time a hub waits. */
export interface AnswerTimeLimits {
  /** How long the handler is waited for. */
  readonly ackAfterMs: number;
  /** How long the store has. */
  readonly storeTimeoutMs: number;
}

/** The time a hub still waits for its answer. */
export class AnswerDeadline {
  readonly #limits: AnswerTimeLimits;
  /** By the clock of `performance.now()`, which nobody sets back. */
  readonly #end: number;
  readonly #ackEnd: number;

  /** @param elapsedMs milliseconds that are gone by now */
  constructor(limits: AnswerTimeLimits, elapsedMs: number) {
    this.#limits = limits;
    const now = performance.now();
    this.#end = now + Math.max(MAX_ANSWER_MS, limits.ackAfterMs + STORE_RESERVE_MS) - elapsedMs;
    this.#ackEnd = now + limits.ackAfterMs;
  }

  /** Milliseconds the handler is waited for, and whatever comes before it. */
  get handlerMs(): number {
    return Math.max(0, Math.min(this.#ackEnd - performance.now(), this.#remainingMs - STORE_RESERVE_MS));
  }

  /** Milliseconds the store has. */
  get storeMs(): number {
    return Math.max(0, Math.floor(Math.min(this.#limits.storeTimeoutMs, this.#remainingMs)));
  }

  get #remainingMs(): number {
    return this.#end - performance.now();
  }
}
