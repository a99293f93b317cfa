import { ConfigurationError } from '../../errors.js';

/** A request was not answered completely in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** A limit on all that is done for one request. */
export interface Deadline {
  /** Aborted when the time is up, or with the caller's own signal. */
  readonly signal: AbortSignal;
  /** Settles as the work does, or rejects as soon as the signal is aborted. */
  readonly race: <T>(work: Promise<T>) => Promise<T>;
  /** To be called when the request is over. */
  readonly clear: () => void;
}

/** The longest a timer of Node.js can run. */
export const MAX_TIMER_MS = 2_147_483_647;

/**
 * Starts the time of one request.
 *
 * @param timeoutMs as given in `httpConfig.timeoutMs`
 * @param signal the caller's own, for giving up earlier
 * @throws ConfigurationError when no timer can run that long
 */
export function startDeadline(timeoutMs = 10_000, signal?: AbortSignal): Deadline {
  if (!(timeoutMs >= 1 && timeoutMs <= MAX_TIMER_MS)) {
    throw new ConfigurationError(
      `httpConfig.timeoutMs ${timeoutMs} is not a number of milliseconds from 1 to ${MAX_TIMER_MS}`,
    );
  }
  // Not AbortSignal.timeout and .any: they cannot be cleared, so requests that are over would stay in memory (Node 20-24).
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
