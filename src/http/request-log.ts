import type { EventContext } from '../delivery/report.js';
import type { Logger } from '../logger.js';
import type { CallbackMatch } from '../subscription/registry/registry.js';
import type { CallbackAnswer } from './answer.js';

/** Characters of a text from outside that a line shows. */
const MAX_SHOWN = 200;

/** How a request on a callback ended. */
type Outcome = 'acknowledged' | 'confirmed' | 'rejected' | 'refused';

const MESSAGES = new Map([
  ['subscribe', 'verification answered'],
  ['unsubscribe', 'verification answered'],
  ['denied', 'denial answered'],
  ['hub-error', 'hub error answered'],
]);

/**
 * Collects the fields of the debug line of one request on a callback, and writes the line when the answer is sent. The line has no
 * callback, secret, token or header. Made only while debug lines are enabled.
 */
export class RequestLog {
  readonly #logger: Logger;
  readonly #method: string;
  readonly #match: CallbackMatch | undefined;
  readonly #startedAt = performance.now();
  #mode: string | undefined;
  #event: string | undefined;
  #bytes: number | undefined;
  #isRejected = false;

  constructor(logger: Logger, method: string, match: CallbackMatch | undefined) {
    this.#logger = logger;
    this.#method = method;
    this.#match = match;
  }

  /** The `hub.mode` of a GET. */
  setMode(mode: string | undefined): void {
    this.#mode = mode?.slice(0, MAX_SHOWN);
  }

  /** The body was read to its end. */
  setBody({ byteLength }: Uint8Array): void {
    this.#bytes = byteLength;
  }

  /** An event was made of the content. */
  readonly setEvent = ({ event }: EventContext): void => {
    this.#event = event.id;
  };

  /** The signature is missing or wrong, whatever the answer is. */
  setRejected(): void {
    this.#isRejected = true;
  }

  /** The answer is sent. */
  write({ status, body }: CallbackAnswer): void {
    const isDelivery = this.#method === 'POST';
    const message = isDelivery ? 'delivery answered' : (MESSAGES.get(this.#mode ?? '') ?? 'callback request answered');
    const { service, id: subscription } = this.#match?.stored.record ?? {};
    this.#logger.debug(
      {
        ...(isDelivery ? {} : { method: this.#method.slice(0, MAX_SHOWN), mode: this.#mode }),
        status,
        outcome: this.#outcome(status),
        reason: status < 400 ? undefined : reasonIn(body),
        service,
        subscription,
        grant: this.#match?.grant.id,
        event: this.#event,
        bytes: this.#bytes,
        milliseconds: Math.round((performance.now() - this.#startedAt) * 10) / 10,
      },
      message,
    );
  }

  #outcome(status: number): Outcome {
    if (this.#isRejected) return 'rejected';
    if (status >= 400) return 'refused';
    return this.#mode === 'subscribe' || this.#mode === 'unsubscribe' ? 'confirmed' : 'acknowledged';
  }
}

/** The reason in the body of a refusal. */
function reasonIn(body: string): string | undefined {
  return new URLSearchParams(body).get('reason')?.slice(0, MAX_SHOWN);
}
