import type { Acknowledgement } from './handler/acknowledgement.js';
import type { HandlerOutcome } from './handler/handler-run.js';

/** The answer to a hub's delivery. */
export type DeliveryAnswer =
  | { readonly type: 'acknowledged'; readonly acknowledgement?: Acknowledgement | undefined }
  | { readonly type: 'deleted'; readonly error: Extract<HandlerOutcome, { type: 'deleted' }>['error'] }
  | { readonly type: 'unavailable'; readonly reason: string };

/** Acknowledges the event, so the hub does not retry. */
export const ACKNOWLEDGED: DeliveryAnswer = { type: 'acknowledged' };

/** Asks the hub to retry because the event could not be stored. */
export const STORE_FAILED = {
  type: 'unavailable',
  reason: 'the event could not be stored',
} as const satisfies DeliveryAnswer;

/** Asks the hub to retry because the inbox is full. */
export const INBOX_FULL = { type: 'unavailable', reason: 'too many events wait' } as const satisfies DeliveryAnswer;

/** The answer that a handler decided on. A failed run has none. */
export function answerOf(outcome: Exclude<HandlerOutcome, { type: 'failed' }>): DeliveryAnswer {
  return outcome.type === 'done' ? { type: 'acknowledged', acknowledgement: outcome.acknowledgement } : outcome;
}
