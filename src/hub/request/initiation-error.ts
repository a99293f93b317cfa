import { SubscriptionInitiationError, type InitiationFailure } from '../../errors.js';
import type { HubRequestForm } from '../../protocol/request-form.js';

/** Details of a failure besides its reason. */
export interface InitiationErrorDetails {
  readonly status?: number;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** The error for a request that a hub did not accept. `problem` must contain no secret. */
export function initiationError(
  hub: string,
  { mode, topic }: HubRequestForm,
  reason: InitiationFailure,
  problem: string,
  details: InitiationErrorDetails = {},
): SubscriptionInitiationError {
  const action = mode === 'subscribe' ? 'subscribe to' : 'unsubscribe from';
  const message = `Cannot ${action} ${topic} at ${hub}: ${problem}`;
  return new SubscriptionInitiationError(message, { ...details, reason, hub, topic });
}
