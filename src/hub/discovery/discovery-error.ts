import { ResourceDiscoveryFailedError, type DiscoveryFailure } from '../../errors.js';
import { MAX_RETRY_AFTER_SECONDS, parseRetryAfter } from '../../protocol/retry-after.js';
import { AddressError } from '../guard/address-guard.js';
import { DeadlineError } from '../http/deadline.js';
import type { OutboundResponse } from '../http/http.js';
import { networkErrorMessage } from '../http/network-error.js';

/** Maximum length of a URL or any other word in an error or a warning, in characters. */
const MAX_SHOWN_LENGTH = 200;

/** Builds the error of a discovery. */
export function discoveryError(
  reason: DiscoveryFailure,
  message: string,
  details: {
    readonly status?: number | undefined;
    readonly retryAfterSeconds?: number | undefined;
    readonly cause?: unknown;
  } = {},
): ResourceDiscoveryFailedError {
  return new ResourceDiscoveryFailedError(message, { ...details, reason });
}

/** The text with its URLs, and other long words, cut to a readable length. */
export function shortenUrls(text: string): string {
  return text.replaceAll(/\S{201,}/g, (word) => `${word.slice(0, MAX_SHOWN_LENGTH)}…`);
}

/** Turns the error of a request or of reading into a discovery error. `subject` is the URL, for the message. */
export function toDiscoveryError(error: unknown, subject: string): ResourceDiscoveryFailedError {
  if (error instanceof ResourceDiscoveryFailedError) return error;
  if (error instanceof DeadlineError) {
    return discoveryError('timeout', `${subject} took too long: ${error.message} (httpConfig.timeoutMs)`, {
      cause: error,
    });
  }
  if (error instanceof AddressError) {
    return discoveryError('forbidden-address', `${subject} was not asked: ${error.message}`, { cause: error });
  }
  return discoveryError('unreachable', `${subject} could not be read: ${networkErrorMessage(error)}`, { cause: error });
}

/**
 * The error of a fetch, with the publisher's `Retry-After` if it answered 429 or 503.
 *
 * @param now the clock for a date in `Retry-After`, in epoch milliseconds
 */
export function withRetryAfter(error: unknown, { status, headers }: OutboundResponse, now = Date.now): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError) || (status !== 429 && status !== 503)) return error;
  const requestedSeconds = parseRetryAfter(headers.get('retry-after'), now()) ?? 0;
  if (requestedSeconds <= 0) return error;
  const seconds = Math.min(requestedSeconds, MAX_RETRY_AFTER_SECONDS);
  const { message, reason, cause } = error;
  const messageWithWait = `${message}. It asks to wait ${seconds} s before the next try (Retry-After)`;
  return discoveryError(reason, messageWithWait, {
    status,
    retryAfterSeconds: seconds,
    ...(cause === undefined ? {} : { cause }),
  });
}
