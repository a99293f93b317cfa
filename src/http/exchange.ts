import { log } from '../log-events.js';
import type { Logger } from '../logger.js';
import { unavailable, type CallbackAnswer } from './answer.js';
import { REASON } from './answer-reasons.js';
import type { CallbackRequest } from './callback-request.js';
import type { RequestLog } from './request-log.js';

/** `Retry-After` of the 503 after a failure, in seconds. The usual cause is a store that is down. */
const RETRY_AFTER_SECONDS = 120;

/** A request on a callback, and the function that sends its answer. */
export class Exchange {
  readonly request: CallbackRequest;
  readonly #logger: Logger;
  /** Undefined while debug lines are disabled. */
  readonly requestLog: RequestLog | undefined;
  readonly #send: (answer: CallbackAnswer) => void;

  constructor(
    logger: Logger,
    request: CallbackRequest,
    send: (answer: CallbackAnswer) => void,
    requestLog?: RequestLog,
  ) {
    this.request = request;
    this.requestLog = requestLog;
    this.#logger = logger;
    this.#send = send;
  }

  /** The same exchange, which also logs its answer once it is sent. */
  withLog(requestLog: RequestLog): Exchange {
    const send = (answer: CallbackAnswer): void => {
      this.#send(answer);
      requestLog.write(answer);
    };
    return new Exchange(this.#logger, this.request, send, requestLog);
  }

  /**
   * Sends the answer of `work`. Sends it synchronously if `work` is synchronous, as for most deliveries.
   *
   * If `work` throws or rejects, logs the error and answers 503. Call it once. Never throws.
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

  /** Runs work that sends its answer later. If `work` throws, answers 503. Never throws. */
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

/** The answer to a request that failed in our own code. Logs the error. Never throws. */
export function failedAnswer(logger: Logger, error: unknown, method: string | undefined): CallbackAnswer {
  log(logger, 'callback.failed', { err: error, method });
  return unavailable(REASON.failed, RETRY_AFTER_SECONDS);
}
