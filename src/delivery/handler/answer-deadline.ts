import type { DeliveryContext } from '../delivery-context.js';
import type { DeliveryService } from '../delivery-service.js';
import type { EventContext } from '../event-context.js';

/**
 * Maximum milliseconds from the last byte of a request to its answer (PROTOCOL C9). A longer `ackAfterMs` extends it.
 *
 * Quirk(Google): gives up on a delivery after about 10 s. We answer within 9 s.
 */
const MAX_ANSWER_MS = 9_000;

/** Milliseconds of the answer time reserved for the store, however long the handler takes. */
const STORE_RESERVE_MS = 1_000;

/** The limits that share the time a hub waits. */
export interface AnswerTimeLimits {
  /** Milliseconds to wait for the handler. */
  readonly ackAfterMs: number;
  /** Milliseconds the store may take. */
  readonly storeTimeoutMs: number;
}

/** The time a hub still waits for its answer. */
export class AnswerDeadline {
  readonly #limits: AnswerTimeLimits;
  /** On the clock of `performance.now()`, which is never set back. */
  readonly #end: number;
  readonly #ackEnd: number;

  /** @param elapsedMs milliseconds since the last byte of the request */
  constructor(limits: AnswerTimeLimits, elapsedMs: number) {
    this.#limits = limits;
    const now = performance.now();
    this.#end = now + Math.max(MAX_ANSWER_MS, limits.ackAfterMs + STORE_RESERVE_MS) - elapsedMs;
    this.#ackEnd = now + limits.ackAfterMs;
  }

  /** Milliseconds left for the handler and for parsing before it. */
  get handlerMs(): number {
    return Math.max(0, Math.min(this.#ackEnd - performance.now(), this.#remainingMs - STORE_RESERVE_MS));
  }

  /** Milliseconds left for the store. */
  get storeMs(): number {
    return Math.max(0, Math.floor(Math.min(this.#limits.storeTimeoutMs, this.#remainingMs)));
  }

  get #remainingMs(): number {
    return this.#end - performance.now();
  }
}

/**
 * The time a hub still waits for the answer to an event.
 *
 * @param elapsedMs milliseconds from the last byte of the request to the creation of the event
 */
export function answerDeadlineOf(
  { now, storeTimeoutMs }: Pick<DeliveryContext, 'now' | 'storeTimeoutMs'>,
  { delivery }: DeliveryService,
  { meta }: EventContext,
  elapsedMs: number,
): AnswerDeadline {
  // Parsing and the synchronous part of the handler may already have taken time.
  const totalElapsedMs = elapsedMs + Math.max(0, now() - meta.receivedAt);
  return new AnswerDeadline({ ackAfterMs: delivery.ackAfterMs, storeTimeoutMs }, totalElapsedMs);
}
