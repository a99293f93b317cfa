import { ConfigurationError, WebSubError } from '../errors.js';
import type { SubscriptionTarget } from '../subscription/record/snapshot.js';
import { targetName } from '../subscription/record/target.js';

/** The error for an id without a subscription. */
export function noSubscription(id: string): WebSubError {
  return new WebSubError(`There is no subscription ${id}.`);
}

/** The error for a service without a subscription to the target. */
export function noSubscriptionTo(service: string, target: SubscriptionTarget): WebSubError {
  return new WebSubError(`Service "${service}" has no subscription to ${targetName(target)}.`);
}

/** The error for a new subscription of a service that this runtime does not have. */
export function serviceNotRunning(service: string): ConfigurationError {
  return new ConfigurationError(`Service "${service}" is not running in this runtime. Pass it to startService.`);
}

/** The error for a stored subscription of a service that this runtime does not have. */
export function subscriptionNotRunning(id: string, service: string): WebSubError {
  return new WebSubError(
    `Subscription ${id} belongs to service "${service}", which is not running in this runtime. ` +
      'Pass that service to startService.',
  );
}

/** The error for a second subscription with a literal callback. */
export function callbackInUse(service: string, target: SubscriptionTarget): ConfigurationError {
  return new ConfigurationError(
    `Service "${service}": callback is used unchanged and already serves ${targetName(target)}. ` +
      'Set appendServicePath, or omit callback.',
  );
}

/** The error for a subscription without a grant to renew. */
export function notRenewable(id: string, status: string): WebSubError {
  return new WebSubError(
    `Subscription ${id} is ${status}, so there is nothing to renew. Call retry(id) to subscribe again.`,
  );
}

/** The error for a subscription without a grant whose secret or callback could be rotated. */
export function notRotatable(id: string, status: string, part: 'secret' | 'callback'): WebSubError {
  return new WebSubError(
    `Subscription ${id} is ${status}, so its ${part} cannot be rotated. Call retry(id) to subscribe again.`,
  );
}

/** The error for a subscription whose configuration does not allow the rotation. */
export function rotationRefused(id: string, service: string, problem: string): ConfigurationError {
  return new ConfigurationError(`Subscription ${id} of service "${service}": ${problem}`);
}

/** The error for a subscription that was verified without a secret. */
export function noSecretToRotate(id: string, service: string): ConfigurationError {
  return new ConfigurationError(
    `Subscription ${id} of service "${service}" has no secret to rotate. Set secret to 'auto', then call renew(id).`,
  );
}
