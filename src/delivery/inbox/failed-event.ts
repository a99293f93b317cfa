import { UnrecoverableEventError } from '../../errors.js';
import { errorMessage } from '../../store/store-error.js';
import { HANDLER, retryWaitMs } from '../../subscription/retry-policy.js';
import { errorText } from '../handler/handler-run.js';
import { earliestRetryAt } from '../fetch/publisher-retry-after-error.js';
import type { RetryState, StoredEvent } from './stored-event.js';

/** The most errors stored with an event. Three days of retries have fewer. */
const MAX_ERRORS = 200;
/** Characters stored of each error. */
const MAX_ERROR_LENGTH = 1_000;

/** The time of a failure, and for how long the event is retried. */
export interface RetryOptions {
  /** When the handler failed, in epoch milliseconds. */
  readonly at: number;
  /** From 0 to 1. */
  readonly random: number;
  readonly retryForSeconds: number;
}

/**
 * An event after a failed run of its handler: with its next attempt, or as a dead letter. It becomes a dead letter when
 * `retryForSeconds` are over or the error is unrecoverable.
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
  // The last attempt runs at the end of the retry time, not before it.
  const nextAttemptAt = Math.min(Math.max(backoff, earliestRetryAt(error)), Math.max(at, end));
  return { meta, content, retry: { ...run, nextAttemptAt, deadSince: at >= end ? at : undefined } };
}

/** An event as a dead letter, because the process crashed each time its handler ran. Counts no failed run. */
export function crashedEvent({ meta, content, retry }: StoredEvent, error: Error, at: number): StoredEvent {
  const errors = withError(retry, error, at);
  return { meta, content, retry: { ...retry, errors, nextAttemptAt: at, deadSince: at, deadCause: 'crashed' } };
}

/** A dead letter as a waiting event, ordered after all events received so far. */
export function requeuedEvent({ meta, content, retry }: StoredEvent, at: number): StoredEvent {
  const { errors } = retry;
  const waiting: RetryState = { attempts: 0, nextAttemptAt: at, errors, triedSince: at };
  return { meta: { ...meta, position: undefined }, content, retry: waiting };
}

function withError({ errors }: RetryState, error: Error, at: number): RetryState['errors'] {
  // A lone surrogate at the cut cannot be stored.
  const message = errorText(errorMessage(error))
    .slice(0, MAX_ERROR_LENGTH)
    .replace(/\p{Cs}$/u, '');
  return [...errors, { message, at }].slice(-MAX_ERRORS);
}
