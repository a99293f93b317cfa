import { ResourceDiscoveryFailedError } from '../../errors.js';
import { LONGEST_RETRY_AFTER_SECONDS, retryAfterSeconds } from '../../protocol/retry-after.js';
import { discoveryFailure } from './discovery-failure.js';
import type { DocumentRequest } from './document.js';
import type { OutboundResponse } from '../http/http.js';

/** The failure of a fetch, with how long the publisher asks to wait where it answered 429 or 503. */
export function withRetryAfter(
  error: unknown,
  { status, headers }: OutboundResponse,
  { now = Date.now }: Pick<DocumentRequest, 'now'>,
): unknown {
  if (!(error instanceof ResourceDiscoveryFailedError) || (status !== 429 && status !== 503)) return error;
  const asked = retryAfterSeconds(headers.get('retry-after'), now()) ?? 0;
  if (asked <= 0) return error;
  const seconds = Math.min(asked, LONGEST_RETRY_AFTER_SECONDS);
  const { message, reason, cause } = error;
  const told = `${message}. It asks to wait ${seconds} s before the next try (Retry-After)`;
  return discoveryFailure(reason, told, {
    status,
    retryAfterSeconds: seconds,
    ...(cause === undefined ? {} : { cause }),
  });
}
