import { SubscriptionInitiationError, type InitiationFailure } from '../../errors.js';
import type { HubRequestForm } from '../../protocol/request-form.js';

/** What is known of a failure besides its reason. */
export interface InitiationFailureDetails {
  readonly status?: number;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** The error for a request that a hub did not accept; `what` says what happened and has no secret in it. */
export function initiationFailure(
  hub: string,
  { mode, topic }: HubRequestForm,
  reason: InitiationFailure,
  what: string,
  details: InitiationFailureDetails = {},
): SubscriptionInitiationError {
  const aim = mode === 'subscribe' ? 'subscribe to' : 'unsubscribe from';
  const message = `Cannot ${aim} ${topic} at ${hub}: ${what}`;
  return new SubscriptionInitiationError(message, { ...details, reason, hub, topic });
}
