import { WebSubError, type WebSubErrorOptions } from '../errors.js';
import type { Grant, Subscription } from './snapshot.js';

/** What a hub said, and of which subscription. */
export interface HubMessage extends WebSubErrorOptions {
  readonly subscription: Subscription;
  readonly grant: Grant;
  /** `hub.topic`, where the hub named one. */
  readonly topic?: string | undefined;
}

/** Something a hub said of its own accord; the message is its `hub.reason`. */
class HubMessageError extends WebSubError {
  readonly subscription: Subscription;
  readonly grant: Grant;
  readonly topic: string | undefined;

  constructor(reason: string, message: HubMessage) {
    super(reason, message);
    this.subscription = message.subscription;
    this.grant = message.grant;
    this.topic = message.topic;
  }
}

/** The hub denied the subscription (`hub.mode=denied`, WebSub section 5.2). */
export class SubscriptionDeniedError extends HubMessageError {
  override readonly code = 'ERR_WEBSUB_DENIED';
}

/** The hub reported an error of its own (`hub.mode=hub-error`, Ballerina's extension). */
export class InternalHubError extends HubMessageError {
  override readonly code = 'ERR_WEBSUB_HUB_ERROR';
}
