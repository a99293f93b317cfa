import { SubscriptionDeletedError } from '../errors.js';
import type { Acknowledgement, EventHandler } from './event-handler.js';
import type { ContentDistributionMessage } from './message.js';

/** How a run of the handler ended. */
export type HandlerOutcome =
  | { readonly type: 'done'; readonly acknowledgement: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: SubscriptionDeletedError }
  | { readonly type: 'failed'; readonly error: Error };

/** Runs the handler; whatever it throws, at once or later, is an outcome. Only a handler that waits makes a promise. */
export function runHandler(
  handler: EventHandler,
  event: ContentDistributionMessage,
): HandlerOutcome | Promise<HandlerOutcome> {
  try {
    const result = handler.onEventNotification(event);
    return isThenable(result) ? Promise.resolve(result).then(done, failed) : done(result);
  } catch (error) {
    return failed(error);
  }
}

function done(acknowledgement: Acknowledgement | void): HandlerOutcome {
  return { type: 'done', acknowledgement: acknowledgement ?? undefined };
}

function failed(error: unknown): HandlerOutcome {
  if (error instanceof SubscriptionDeletedError) return { type: 'deleted', error };
  return { type: 'failed', error: error instanceof Error ? error : new Error(String(error), { cause: error }) };
}

function isThenable(value: unknown): value is Promise<Acknowledgement | void> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
