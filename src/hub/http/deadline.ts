import { ConfigurationError } from '../../errors.js';

/** A request had no complete answer before its deadline. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** A time limit for everything that one request does. */
export interface Deadline {
  /** Aborts when the time is up, or together with the caller's signal. */
  readonly signal: AbortSignal;
  /** Settles like `work`, or rejects as soon as the signal aborts. */
  readonly race: <T>(work: Promise<T>) => Promise<T>;
  /** Stops the timer. Call it when the request is over. */
  readonly clear: () => void;
}

/** The longest delay of a Node.js timer, in milliseconds. */
export const MAX_TIMER_MS = 2_147_483_647;

/**
 * Starts the deadline of one request.
 *
 * @param timeoutMs the value of `httpConfig.timeoutMs`; 10,000 by default
 * @param signal aborts the request before the deadline
 * @throws ConfigurationError if `timeoutMs` is not from 1 to `MAX_TIMER_MS`
 */
export function startDeadline(timeoutMs = 10_000, signal?: AbortSignal): Deadline {
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMER_MS)) {
    throw new ConfigurationError(
      `httpConfig.timeoutMs is ${timeoutMs}; it must be a number of milliseconds from 1 to ${MAX_TIMER_MS}.`,
    );
  }
  // AbortSignal.timeout and .any cannot be cleared: finished requests would stay in memory (Node 20-24).
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new DeadlineError(`no complete answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    race: (work) => Promise.race([work, aborted(controller.signal)]),
    clear: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
