import { WebSubError, type WebSubErrorOptions } from '../errors.js';
import type { Grant, Subscription } from './record/snapshot.js';

/** What an error may carry that tells what a hub said. */
export interface HubMessageOptions extends WebSubErrorOptions {
  readonly subscription?: Subscription | undefined;
  readonly grant?: Grant | undefined;
  /** `hub.topic`, where the hub named one. */
  readonly topic?: string | undefined;
}

/** Something a hub said of its own accord; the message is its `hub.reason`. */
class HubMessageError extends WebSubError {
  /** Always there on an error that a handler is called with; undefined on one made without it. */
  declare readonly subscription: Subscription;
  /** Always there on an error that a handler is called with; undefined on one made without it. */
  declare readonly grant: Grant;
  readonly topic: string | undefined;

  constructor(reason: string, options: HubMessageOptions = {}) {
    super(reason, options);
    this.topic = options.topic;
    const { subscription, grant } = options;
    // Loggers write out what they can enumerate of an error, and these hold callbacks, which only the hub may know.
    Object.defineProperties(this, {
      subscription: { value: subscription, enumerable: false },
      grant: { value: grant, enumerable: false },
    });
  }
}

/** The hub denied the subscription (`hub.mode=denied`, WebSub section 5.2). */
export class SubscriptionDeniedError extends HubMessageError {
  override readonly code = 'ERR_WEBSUB_DENIED';
}

/**
 * The hub reported an error of its own (`hub.mode=hub-error`).
 *
 * Quirk(Ballerina): `hub-error` is its extension of WebSub. We tell the handler and answer 200 (PROTOCOL N3).
 */
export class InternalHubError extends HubMessageError {
  override readonly code = 'ERR_WEBSUB_HUB_ERROR';
}
