import type { EventContext } from '../delivery/event-context.js';
import { log } from '../log-events.js';
import type { Logger } from '../logger.js';
import type { CallbackMatch } from '../subscription/registry/registry.js';
import type { CallbackAnswer } from './answer.js';

/** Maximum length of an external text in a line, in characters. */
const MAX_SHOWN_LENGTH = 200;

type AnsweredEvent = 'verification.answered' | 'denial.answered' | 'hub-error.answered' | 'callback.answered';

/** How a request on a callback ended. */
type Outcome = 'acknowledged' | 'confirmed' | 'rejected' | 'refused';

const EVENTS = new Map<string, AnsweredEvent>([
  ['subscribe', 'verification.answered'],
  ['unsubscribe', 'verification.answered'],
  ['denied', 'denial.answered'],
  ['hub-error', 'hub-error.answered'],
]);

/**
 * Collects the fields for the debug line of one request on a callback, and writes the line when the answer is sent.
 *
 * The line has no callback, secret, token or header. A log exists only while debug lines are enabled.
 */
export class RequestLog {
  readonly #logger: Logger;
  readonly #method: string;
  readonly #match: CallbackMatch | undefined;
  readonly #startedAt = performance.now();
  #mode: string | undefined;
  #eventId: string | undefined;
  #bytes: number | undefined;
  #isRejected = false;

  constructor(logger: Logger, method: string, match: CallbackMatch | undefined) {
    this.#logger = logger;
    this.#method = method;
    this.#match = match;
  }

  /** Records the `hub.mode` of a GET. */
  setMode(mode: string | undefined): void {
    this.#mode = mode?.slice(0, MAX_SHOWN_LENGTH);
  }

  /** Records the size of the body after it was read to its end. */
  setBody(bytes: number): void {
    this.#bytes = bytes;
  }

  /** Records the event that the content became. */
  readonly setEvent = ({ event }: EventContext): void => {
    this.#eventId = event.id;
  };

  /** Records that the signature is missing or wrong. The answer may still be a 202. */
  setRejected(): void {
    this.#isRejected = true;
  }

  /** Writes the line of a sent answer. */
  write({ status, body }: CallbackAnswer): void {
    const isDelivery = this.#method === 'POST';
    const event = isDelivery ? 'delivery.answered' : (EVENTS.get(this.#mode ?? '') ?? 'callback.answered');
    const { service, id: subscription } = this.#match?.stored.record ?? {};
    log(this.#logger, event, {
      ...(isDelivery ? {} : { method: this.#method.slice(0, MAX_SHOWN_LENGTH), mode: this.#mode }),
      status,
      outcome: this.#outcome(status),
      reason: status < 400 ? undefined : reasonIn(body),
      service,
      subscription,
      grant: this.#match?.grant.id,
      eventId: this.#eventId,
      bytes: this.#bytes,
      milliseconds: Math.round((performance.now() - this.#startedAt) * 10) / 10,
    });
  }

  #outcome(status: number): Outcome {
    if (this.#isRejected) return 'rejected';
    if (status >= 400) return 'refused';
    return this.#mode === 'subscribe' || this.#mode === 'unsubscribe' ? 'confirmed' : 'acknowledged';
  }
}

/** The reason in the form-encoded body of an error answer. */
function reasonIn(body: string): string | undefined {
  return new URLSearchParams(body).get('reason')?.slice(0, MAX_SHOWN_LENGTH);
}
