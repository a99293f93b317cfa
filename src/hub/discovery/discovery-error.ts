import { ResourceDiscoveryFailedError, type DiscoveryFailure } from '../../errors.js';
import { MAX_RETRY_AFTER_SECONDS, parseRetryAfter } from '../../protocol/retry-after.js';
import { AddressError } from '../guard/address-guard.js';
import { DeadlineError } from '../http/deadline.js';
import type { OutboundResponse } from '../http/http.js';
import { networkErrorMessage } from '../http/network-error.js';

/** Characters shown of a URL, or of any other word, in an error or a warning. */
const MAX_SHOWN_LENGTH = 200;

/** The error of a discovery, from its parts. */
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

/** A text whose URLs are cut to a length that can be read. */
export function shortenUrls(text: string): string {
  return text.replaceAll(/\S{201,}/g, (word) => `${word.slice(0, MAX_SHOWN_LENGTH)}…`);
}

/** What a failed request or reading means for discovery. `subject` is the URL it was about. */
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
 * The failure of a fetch, with how long the publisher asks to wait where it answered 429 or 503.
 *
 * @param now the clock that the date in `Retry-After` is compared with, in milliseconds since the epoch
 */
export function withRetryAfter(error: unknown, { status, headers }: OutboundResponse, now = Date.now): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError) || (status !== 429 && status !== 503)) return error;
  const asked = parseRetryAfter(headers.get('retry-after'), now()) ?? 0;
  if (asked <= 0) return error;
  const seconds = Math.min(asked, MAX_RETRY_AFTER_SECONDS);
  const { message, reason, cause } = error;
  const told = `${message}. It asks to wait ${seconds} s before the next try (Retry-After)`;
  return discoveryError(reason, told, {
    status,
    retryAfterSeconds: seconds,
    ...(cause === undefined ? {} : { cause }),
  });
}
