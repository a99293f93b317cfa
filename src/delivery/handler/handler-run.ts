import { SubscriptionDeletedError, UnrecoverableEventError } from '../../errors.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import type { AnswerDeadline } from './answer-deadline.js';
import { callHandler, type EventHandler } from './handlers.js';
import type { ContentDistributionMessage } from '../message/message.js';

/** The outcome of a handler run. */
export type HandlerOutcome =
  | { readonly type: 'done'; readonly acknowledgement: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: SubscriptionDeletedError }
  | { readonly type: 'failed'; readonly error: Error };

/**
 * The outcome of a stored event's run. `'interrupted'`: the runtime stopped before the handler ended, so the run does
 * not count. `'crashed'`: the handler did not run, because the process crashed too often during earlier runs.
 */
export type StoredRun =
  | HandlerOutcome
  | { readonly type: 'interrupted' }
  | { readonly type: 'crashed'; readonly error: Error };

/** A promise only if the handler is asynchronous. It never rejects. */
export type HandlerRun = HandlerOutcome | Promise<HandlerOutcome>;

/** A run of the handler that a hub waits for. */
export interface InlineRun {
  readonly run: HandlerRun;
  readonly deadline: AnswerDeadline;
}

const UNREADABLE_ERROR = 'the thrown value cannot be converted to text';

const DONE: HandlerOutcome = { type: 'done', acknowledgement: undefined };

/** Runs the handler. Never throws: an error of the handler, synchronous or not, becomes an outcome. */
export function runHandler(handlers: EventHandler, event: ContentDistributionMessage): HandlerRun {
  try {
    const result: unknown = callHandler(handlers, 'onEventNotification', event);
    return isThenable(result) ? awaitOutcome(result) : outcomeOfResult(result);
  } catch (error) {
    return outcomeOfError(error);
  }
}

/** Whether no further run can succeed. */
export function isUnrecoverable(outcome: HandlerOutcome | undefined): boolean {
  return outcome?.type === 'failed' && outcome.error instanceof UnrecoverableEventError;
}

async function awaitOutcome(result: PromiseLike<unknown>): Promise<HandlerOutcome> {
  try {
    return outcomeOfResult(await result);
  } catch (error) {
    return outcomeOfError(error);
  }
}

function outcomeOfResult(result: unknown): HandlerOutcome {
  const acknowledgement = acknowledgementOf(result);
  return acknowledgement === undefined ? DONE : { type: 'done', acknowledgement };
}

function outcomeOfError(thrown: unknown): HandlerOutcome {
  try {
    if (thrown instanceof SubscriptionDeletedError) return { type: 'deleted', error: thrown };
    if (thrown instanceof Error && typeof thrown.message === 'string') return { type: 'failed', error: thrown };
    const reason: unknown = thrown instanceof Error ? thrown.message : thrown;
    return { type: 'failed', error: new Error(errorText(reason), { cause: thrown }) };
  } catch (cause) {
    // The thrown value itself throws when it is read.
    return { type: 'failed', error: new Error(UNREADABLE_ERROR, { cause }) };
  }
}

/** The text of a thrown value, with a fixed text if it cannot be converted to a string. */
export function errorText(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return UNREADABLE_ERROR;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
