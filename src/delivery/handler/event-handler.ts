import type { ContentDistributionMessage } from '../message/message.js';

/** What the hub is told beside the status: headers to add, and fields of a form-encoded body. */
export interface Acknowledgement {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Readonly<Record<string, string>>;
}

/** Receives the news. A property, not a method: only then is a wrong parameter type an error in every case. */
export interface EventHandler {
  /**
   * Called with each content distribution (WebSub section 7). Returning acknowledges it (202). Throwing
   * `SubscriptionDeletedError` ends the subscription (410). `UnrecoverableEventError` is answered 202, and the event becomes
   * a dead letter at once. Anything else thrown is answered 202 all the same, and the event is stored and tried again.
   */
  readonly onEventNotification: (
    event: ContentDistributionMessage,
  ) => Acknowledgement | void | Promise<Acknowledgement | void>;
}
