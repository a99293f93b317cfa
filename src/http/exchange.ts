import type { Logger } from '../logger.js';
import { unavailable, type CallbackAnswer } from './answer.js';
import type { CallbackRequest } from './callback-request.js';
import type { RequestLog } from './request-log.js';

/** Seconds after which a hub may come again when its request could not be handled: the store is down. */
const RETRY_AFTER_SECONDS = 120;

/** A request on a callback, and where its answer goes. */
export class Exchange {
  readonly request: CallbackRequest;
  readonly #logger: Logger;
  /** There while debug lines are enabled. */
  readonly log: RequestLog | undefined;
  readonly #send: (answer: CallbackAnswer) => void;

  constructor(logger: Logger, request: CallbackRequest, send: (answer: CallbackAnswer) => void, log?: RequestLog) {
    this.request = request;
    this.log = log;
    this.#logger = logger;
    this.#send = send;
  }

  /** The same exchange, which also logs its answer once it is sent. */
  withLog(log: RequestLog): Exchange {
    const send = (answer: CallbackAnswer): void => {
      this.#send(answer);
      log.write(answer);
    };
    return new Exchange(this.#logger, this.request, send, log);
  }

  /**
   * Sends what `work` comes to, in this very turn where nothing has to be waited for, as with most deliveries. What it throws,
   * or rejects with, is logged and answered 503. To be called once. Never throws.
   */
  answer(work: () => CallbackAnswer | Promise<CallbackAnswer>): void {
    let answer: CallbackAnswer | Promise<CallbackAnswer>;
    try {
      answer = work();
    } catch (error) {
      answer = this.#failed(error);
    }
    if (answer instanceof Promise) answer.then(this.#send, (error: unknown) => this.#send(this.#failed(error)));
    else this.#send(answer);
  }

  /** Does what leads to an answer later. Where it throws, that is answered 503. Never throws. */
  run(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#send(this.#failed(error));
    }
  }

  #failed(error: unknown): CallbackAnswer {
    return failedAnswer(this.#logger, error, this.request.method);
  }
}

/** The answer to a request that failed in our own code. The reason is logged. Never throws. */
export function failedAnswer(logger: Logger, error: unknown, method: string | undefined): CallbackAnswer {
  logger.error({ err: error, method }, 'a callback request could not be answered: 503');
  return unavailable('the request could not be handled now', RETRY_AFTER_SECONDS);
}
