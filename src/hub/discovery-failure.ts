import { ResourceDiscoveryFailedError, type DiscoveryFailure } from '../errors.js';
import { AddressError } from './address-guard.js';
import { DeadlineError } from './deadline.js';
import { networkFailure } from './network-failure.js';

/** The error of a discovery, from its parts. */
export function discoveryFailure(
  reason: DiscoveryFailure,
  message: string,
  more: {
    readonly status?: number | undefined;
    readonly retryAfterSeconds?: number | undefined;
    readonly cause?: unknown;
  } = {},
): ResourceDiscoveryFailedError {
  return new ResourceDiscoveryFailedError(message, { ...more, reason });
}

/** What a failed request or reading means for discovery. `subject` is the URL it was about. */
export function failedTransfer(error: unknown, subject: string): ResourceDiscoveryFailedError {
  if (error instanceof ResourceDiscoveryFailedError) return error;
  if (error instanceof DeadlineError) {
    return discoveryFailure('timeout', `${subject} took too long: ${error.message} (httpConfig.timeoutMs)`, {
      cause: error,
    });
  }
  if (error instanceof AddressError) {
    return discoveryFailure('forbidden-address', `${subject} was not asked: ${error.message}`, { cause: error });
  }
  return discoveryFailure('unreachable', `${subject} could not be read: ${networkFailure(error)}`, { cause: error });
}
