import { UnrecoverableEventError } from '../../errors.js';
import { errorMessage } from '../../store/store-error.js';
import { HANDLER, retryWaitMs } from '../../subscription/retry-policy.js';
import { errorText } from '../handler/handler-run.js';
import { earliestRetryAt } from '../fetch/publisher-retry-after.js';
import type { RetryState, StoredEvent } from './stored-event.js';

/** More than three days of tries have. */
const MAX_ERRORS = 200;
const MAX_ERROR_LENGTH = 1_000;

/** When an event is tried, and for how long. */
export interface RetryOptions {
  /** When its handler failed, in epoch milliseconds. */
  readonly at: number;
  /** From 0 to 1. */
  readonly random: number;
  readonly retryForSeconds: number;
}

/**
 * An event after one more run of its handler that failed: with its next try, or as a dead letter when its time is over or no try
 * can help.
 */
export function failedEvent(
  event: StoredEvent,
  error: Error,
  { at, random, retryForSeconds }: RetryOptions,
): StoredEvent {
  const { meta, content, retry } = event;
  const attempts = retry.attempts + 1;
  const run = { ...retry, attempts, errors: withError(retry, error, at) };
  if (error instanceof UnrecoverableEventError) {
    return { meta, content, retry: { ...run, nextAttemptAt: at, deadSince: at, deadCause: 'unrecoverable' } };
  }
  const end = (retry.triedSince ?? meta.receivedAt) + retryForSeconds * 1000;
  const backoff = at + retryWaitMs(attempts, random, HANDLER);
  // The last try is at the end of the time, not before it.
  const nextAttemptAt = Math.min(Math.max(backoff, earliestRetryAt(error)), Math.max(at, end));
  return { meta, content, retry: { ...run, nextAttemptAt, deadSince: at >= end ? at : undefined } };
}

/** An event that is a dead letter because the process ended each time its handler ran. No run of the handler has failed. */
export function crashedEvent({ meta, content, retry }: StoredEvent, error: Error, at: number): StoredEvent {
  const errors = withError(retry, error, at);
  return { meta, content, retry: { ...retry, errors, nextAttemptAt: at, deadSince: at, deadCause: 'crashed' } };
}

/** A dead letter as an event that waits again, and comes after all that was received by now. */
export function requeuedEvent({ meta, content, retry }: StoredEvent, at: number): StoredEvent {
  const { errors } = retry;
  const waiting: RetryState = { attempts: 0, nextAttemptAt: at, errors, triedSince: at };
  return { meta: { ...meta, position: undefined }, content, retry: waiting };
}

function withError({ errors }: RetryState, error: Error, at: number): RetryState['errors'] {
  // A character that the cut has halved could not be stored.
  const message = errorText(errorMessage(error))
    .slice(0, MAX_ERROR_LENGTH)
    .replace(/\p{Cs}$/u, '');
  return [...errors, { message, at }].slice(-MAX_ERRORS);
}
