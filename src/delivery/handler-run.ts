import { SubscriptionDeletedError } from '../errors.js';
import type { Acknowledgement, EventHandler } from './event-handler.js';
import type { ContentDistributionMessage } from './message.js';

/** How a run of the handler ended. */
export type HandlerOutcome =
  | { readonly type: 'done'; readonly acknowledgement: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: SubscriptionDeletedError }
  | { readonly type: 'failed'; readonly error: Error };

/** Only a handler that waits makes a promise, which never rejects. */
export type HandlerRun = HandlerOutcome | Promise<HandlerOutcome>;

const PLAINLY_DONE: HandlerOutcome = { type: 'done', acknowledgement: undefined };

/** Runs the handler. Never throws: whatever the handler throws, at once or later, is an outcome. */
export function runHandler(handler: EventHandler, event: ContentDistributionMessage): HandlerRun {
  try {
    const result: unknown = handler.onEventNotification(event);
    return isThenable(result) ? Promise.resolve(result).then(returned, failed) : returned(result);
  } catch (error) {
    return failed(error);
  }
}

/** What a handler returns counts as far as it is an acknowledgement: an accident of its last line must not cost the hub its answer. */
function returned(result: unknown): HandlerOutcome {
  if (typeof result !== 'object' || result === null) return PLAINLY_DONE;
  return isAcknowledgement(result) ? { type: 'done', acknowledgement: result } : PLAINLY_DONE;
}

function failed(error: unknown): HandlerOutcome {
  if (error instanceof SubscriptionDeletedError) return { type: 'deleted', error };
  return { type: 'failed', error: error instanceof Error ? error : new Error(textOf(error), { cause: error }) };
}

/** What was thrown, in words, also where it cannot be made a string. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something that is no error';
  }
}

function isAcknowledgement(result: object): result is Acknowledgement {
  const headers = 'headers' in result ? result.headers : undefined;
  const body = 'body' in result ? result.body : undefined;
  const isText = (value: unknown): boolean => typeof value === 'string';
  return (
    (headers === undefined || isRecordOf(headers, (value) => [value].flat().every(isText))) &&
    (body === undefined || isRecordOf(body, isText))
  );
}

function isRecordOf(value: unknown, isValue: (value: unknown) => boolean): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isValue);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
