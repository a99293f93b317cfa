import { SubscriptionDeletedError, UnrecoverableEventError } from '../../errors.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import type { AnswerTime } from './answer-deadline.js';
import { callHandler, type EventHandler } from './handlers.js';
import type { ContentDistributionMessage } from '../message/message.js';

/** How a run of the handler ended. */
export type HandlerOutcome =
  | { readonly type: 'done'; readonly acknowledgement: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: SubscriptionDeletedError }
  | { readonly type: 'failed'; readonly error: Error };

/**
 * How the run of a stored event ended. `'cut-off'`: the runtime stopped before the handler had ended, which is no run.
 * `'crashed'`: the handler was not run, as the process ended too often when it was.
 */
export type StoredRun =
  | HandlerOutcome
  | { readonly type: 'cut-off' }
  | { readonly type: 'crashed'; readonly error: Error };

/** Only a handler that waits makes a promise, which never rejects. */
export type HandlerRun = HandlerOutcome | Promise<HandlerOutcome>;

/** A run of the handler that a hub waits for. */
export interface AnsweredRun {
  readonly run: HandlerRun;
  readonly time: AnswerTime;
}

const NO_ERROR = 'something that is no error';

const PLAINLY_DONE: HandlerOutcome = { type: 'done', acknowledgement: undefined };

/** Runs the handler. Never throws: whatever the handler throws, at once or later, is an outcome. */
export function runHandler(handlers: EventHandler, event: ContentDistributionMessage): HandlerRun {
  try {
    const result: unknown = callHandler(handlers, 'onEventNotification', event);
    return isThenable(result) ? ending(result) : returned(result);
  } catch (error) {
    return failed(error);
  }
}

/** Whether no further run can help. */
export function isUnrecoverable(outcome: HandlerOutcome | undefined): boolean {
  return outcome?.type === 'failed' && outcome.error instanceof UnrecoverableEventError;
}

async function ending(result: PromiseLike<unknown>): Promise<HandlerOutcome> {
  try {
    return returned(await result);
  } catch (error) {
    return failed(error);
  }
}

function returned(result: unknown): HandlerOutcome {
  const acknowledgement = acknowledgementOf(result);
  return acknowledgement === undefined ? PLAINLY_DONE : { type: 'done', acknowledgement };
}

function failed(thrown: unknown): HandlerOutcome {
  try {
    if (thrown instanceof SubscriptionDeletedError) return { type: 'deleted', error: thrown };
    if (thrown instanceof Error && typeof thrown.message === 'string') return { type: 'failed', error: thrown };
    const said: unknown = thrown instanceof Error ? thrown.message : thrown;
    return { type: 'failed', error: new Error(textOf(said), { cause: thrown }) };
  } catch (cause) {
    // It threw when it was looked at.
    return { type: 'failed', error: new Error(NO_ERROR, { cause }) };
  }
}

/** What was thrown, in words, also where it cannot be made a string. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return NO_ERROR;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
