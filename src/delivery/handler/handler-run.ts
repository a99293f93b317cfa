import { SubscriptionDeletedError, UnrecoverableEventError } from '../../errors.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import type { AnswerDeadline } from './answer-deadline.js';
import { callHandler, type EventHandler } from './handlers.js';
import type { ContentDistributionMessage } from '../message/message.js';

/** How a run of the handler ended. */
export type HandlerOutcome =
  | { readonly type: 'done'; readonly acknowledgement: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: SubscriptionDeletedError }
  | { readonly type: 'failed'; readonly error: Error };

/**
 * How the run of a stored event ended. `'interrupted'`: the runtime stopped before the handler had ended, which is no run.
 * `'crashed'`: the handler was not run, as the process ended too often when it was.
 */
export type StoredRun =
  | HandlerOutcome
  | { readonly type: 'interrupted' }
  | { readonly type: 'crashed'; readonly error: Error };

/** Only a handler that waits makes a promise, which never rejects. */
export type HandlerRun = HandlerOutcome | Promise<HandlerOutcome>;

/** A run of the handler that a hub waits for. */
export interface InlineRun {
  readonly run: HandlerRun;
  readonly deadline: AnswerDeadline;
}

const NOT_AN_ERROR = 'something that is no error';

const DONE: HandlerOutcome = { type: 'done', acknowledgement: undefined };

/** Runs the handler. Never throws: whatever the handler throws, at once or later, is an outcome. */
export function runHandler(handlers: EventHandler, event: ContentDistributionMessage): HandlerRun {
  try {
    const result: unknown = callHandler(handlers, 'onEventNotification', event);
    return isThenable(result) ? awaitOutcome(result) : outcomeOfResult(result);
  } catch (error) {
    return outcomeOfError(error);
  }
}

/** Whether no further run can help. */
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
    // It threw when it was looked at.
    return { type: 'failed', error: new Error(NOT_AN_ERROR, { cause }) };
  }
}

/** What was thrown, in words, also where it cannot be made a string. */
export function errorText(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return NOT_AN_ERROR;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
