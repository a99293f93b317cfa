import { WebSubError, type WebSubErrorOptions } from '../errors.js';
import type { Grant, Subscription } from './record/snapshot.js';

/** Options of an error that reports a message of a hub. */
export interface HubMessageOptions extends WebSubErrorOptions {
  /** The subscription that the message is about. */
  readonly subscription?: Subscription | undefined;
  /** The grant that the message is about. */
  readonly grant?: Grant | undefined;
  /** `hub.topic` of the message. Undefined if the hub sent none. */
  readonly topic?: string | undefined;
}

/** A denial or an error that a hub sent to the callback. The error's `message` is the `hub.reason`. */
class HubMessageError extends WebSubError {
  /** The subscription that the message is about. Handlers always get it; undefined only if the constructor got none. */
  declare readonly subscription: Subscription;
  /** The grant that the message is about. Handlers always get it; undefined only if the constructor got none. */
  declare readonly grant: Grant;
  /** `hub.topic` of the message. Undefined if the hub sent none. */
  readonly topic: string | undefined;

  constructor(reason: string, options: HubMessageOptions = {}) {
    super(reason, options);
    this.topic = options.topic;
    const { subscription, grant } = options;
    // Loggers print the enumerable fields of an error. These two contain callbacks, which only the hub may know.
    Object.defineProperties(this, {
      subscription: { value: subscription, enumerable: false },
      grant: { value: grant, enumerable: false },
    });
  }
}

/**
 * The hub denied the subscription (`hub.mode=denied`, WebSub section 5.2).
 *
 * @example
 * ```ts
 * onSubscriptionValidationDenied(denial: SubscriptionDeniedError) {
 *   console.warn(`${denial.grant.hub} denied ${denial.topic}: ${denial.message}`);
 * }
 * ```
 */
export class SubscriptionDeniedError extends HubMessageError {
  override readonly code = 'ERR_WEBSUB_DENIED';
}

/**
 * The hub reported an error (`hub.mode=hub-error`).
 *
 * Quirk(Ballerina): `hub-error` is its extension of WebSub. We call the handler and answer 200 (PROTOCOL N3).
 *
 * @example
 * ```ts
 * onHubError(error: InternalHubError) {
 *   console.warn(`${error.grant.hub} reported: ${error.message}`);
 * }
 * ```
 */
export class InternalHubError extends HubMessageError {
  override readonly code = 'ERR_WEBSUB_HUB_ERROR';
}
