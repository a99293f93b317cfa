import type { Acknowledgement } from './handler/acknowledgement.js';
import type { HandlerOutcome } from './handler/handler-run.js';

/** What the hub is to be told. */
export type DeliveryAnswer =
  | { readonly type: 'acknowledged'; readonly acknowledgement?: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: Extract<HandlerOutcome, { type: 'deleted' }>['error'] }
  | { readonly type: 'unavailable'; readonly reason: string };

/** The hub need not come again. */
export const ACKNOWLEDGED: DeliveryAnswer = { type: 'acknowledged' };

/** The hub is to come again: what it sent could not be kept. */
export const STORE_FAILED: DeliveryAnswer = { type: 'unavailable', reason: 'the event could not be stored' };

/** The hub is to come again: there is no room for what it sent. */
export const INBOX_FULL: DeliveryAnswer = { type: 'unavailable', reason: 'too many events wait' };

/** What a handler that has not failed has decided. */
export function answerOf(outcome: Exclude<HandlerOutcome, { type: 'failed' }>): DeliveryAnswer {
  return outcome.type === 'done' ? { type: 'acknowledged', acknowledgement: outcome.acknowledgement } : outcome;
}
