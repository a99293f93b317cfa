/**
 * The stable `code` of an error of this package. Match on it, not on messages.
 *
 * @example
 * ```ts
 * if (error instanceof WebSubError && error.code === 'ERR_WEBSUB_STORE') await alertOperator(error);
 * ```
 */
export type WebSubErrorCode =
  | 'ERR_WEBSUB'
  | 'ERR_WEBSUB_CONFIGURATION'
  | 'ERR_WEBSUB_LISTENER'
  | 'ERR_WEBSUB_DISCOVERY'
  | 'ERR_WEBSUB_INITIATION'
  | 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION'
  | 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION'
  | 'ERR_WEBSUB_DENIED'
  | 'ERR_WEBSUB_DELETED'
  | 'ERR_WEBSUB_UNRECOVERABLE_EVENT'
  | 'ERR_WEBSUB_HUB_ERROR'
  | 'ERR_WEBSUB_SIGNATURE'
  | 'ERR_WEBSUB_STORE';

/** Options of an error. `headers` and `body` are used if a handler throws the error to refuse a hub's request. */
export interface WebSubErrorOptions {
  /** The error that caused this one. */
  readonly cause?: unknown;
  /** Headers to add to the answer to the hub. @default none */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** Form fields to add to the answer to the hub, next to `reason`. @default none */
  readonly body?: Readonly<Record<string, string>> | undefined;
}

/** The base class of all errors of this package. `code` identifies the error. */
export class WebSubError extends Error {
  /** The stable code of this class of errors. */
  readonly code: WebSubErrorCode = 'ERR_WEBSUB';
  // `declare` creates no fields: node would print undefined fields with every error.
  declare readonly headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  declare readonly body: Readonly<Record<string, string>> | undefined;

  constructor(message: string, options: WebSubErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    const { headers, body } = options;
    Object.assign(this, headers === undefined ? {} : { headers }, body === undefined ? {} : { body });
  }
}

/** An option, argument or service class is invalid. The message names the field, its value and what is expected. */
export class ConfigurationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_CONFIGURATION';
}

/** The runtime could not listen on its port, or could not open its tunnel. */
export class ListenerError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_LISTENER';
}

/** The reason why discovery found no hub and topic. */
export type DiscoveryFailure =
  | 'no-hub'
  | 'multiple-self'
  | 'not-acceptable'
  | 'http-error'
  | 'timeout'
  | 'unreachable'
  | 'too-large'
  | 'too-many-redirects'
  | 'forbidden-address'
  | 'invalid-url';

/**
 * Discovery failed (WebSub section 4).
 *
 * @example
 * ```ts
 * try {
 *   await discover('https://example.com/feed');
 * } catch (error) {
 *   if (error instanceof ResourceDiscoveryFailedError && error.reason === 'no-hub') console.log('no hub');
 * }
 * ```
 */
export class ResourceDiscoveryFailedError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_DISCOVERY';
  /** Why it failed. @default 'no-hub' */
  readonly reason: DiscoveryFailure;
  /** The HTTP status, if the publisher answered. */
  readonly status: number | undefined;
  /** The publisher's `Retry-After` in seconds, with a 429 or 503. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    message: string,
    options: WebSubErrorOptions & {
      readonly reason?: DiscoveryFailure | undefined;
      readonly status?: number | undefined;
      readonly retryAfterSeconds?: number | undefined;
    } = {},
  ) {
    super(message, options);
    this.reason = options.reason ?? 'no-hub';
    this.status = options.status;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The reason why a subscribe or unsubscribe request failed. */
export type InitiationFailure =
  /** No answer: a connection error or a timeout. A retry may help. */
  | 'unreachable'
  /** A status that allows a retry: 408, 409, 422, 425, 429 or 5xx. No status: `httpConfig.auth.bearer` failed. */
  | 'temporary'
  /** Any other 4xx, or a redirect that cannot be followed. */
  | 'refused'
  /** The request was not sent: its secret would go over plain HTTP, or the address is not allowed. */
  | 'forbidden';

/**
 * A hub did not accept a subscribe or unsubscribe request (WebSub section 5.1).
 *
 * @example
 * ```ts
 * runtime.hooks.on('failed', ({ error }) => {
 *   if (error instanceof SubscriptionInitiationError) console.warn(error.reason, error.hub, error.status);
 * });
 * ```
 */
export class SubscriptionInitiationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_INITIATION';
  /** Why it failed. @default 'refused' */
  readonly reason: InitiationFailure;
  /** The hub. Set in every error that this package throws. */
  readonly hub: string | undefined;
  /** The topic. Set in every error that this package throws. */
  readonly topic: string | undefined;
  /** The HTTP status, if the hub answered. */
  readonly status: number | undefined;
  /** The hub's `Retry-After` in seconds. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    message: string,
    options: WebSubErrorOptions & {
      readonly reason?: InitiationFailure | undefined;
      readonly hub?: string | undefined;
      readonly topic?: string | undefined;
      readonly status?: number | undefined;
      readonly retryAfterSeconds?: number | undefined;
    } = {},
  ) {
    super(message, options);
    this.reason = options.reason ?? 'refused';
    this.hub = options.hub;
    this.topic = options.topic;
    this.status = options.status;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/**
 * Throw it in `onSubscriptionVerification` to refuse the subscription (WebSub section 5.3). The hub gets 404 with the
 * message as reason. The subscription is not requested again before `retry(id)` or `subscribe()`.
 *
 * @example
 * ```ts
 * onSubscriptionVerification({ topic }: SubscriptionVerification) {
 *   if (!allowedTopics.has(topic)) throw new SubscriptionVerificationError('topic not allowed');
 * }
 * ```
 */
export class SubscriptionVerificationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION';
}

/**
 * Throw it in `onUnsubscriptionVerification` to stay subscribed (WebSub section 5.3). The hub gets 404 with the message
 * as reason.
 *
 * @example
 * ```ts
 * onUnsubscriptionVerification() {
 *   throw new UnsubscriptionVerificationError('this subscription stays');
 * }
 * ```
 */
export class UnsubscriptionVerificationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION';
}

/**
 * Throw it in `onEventNotification` to end the subscription. The hub gets 410 (WebSub section 7) and an unsubscribe
 * request. The error also ends the subscription if the hub already got 202.
 *
 * @example
 * ```ts
 * async onEventNotification(event: ContentDistributionMessage) {
 *   if (await isClosed(event.subscription.metadata)) throw new SubscriptionDeletedError('account closed');
 * }
 * ```
 */
export class SubscriptionDeletedError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_DELETED';
}

/**
 * Throw it in `onEventNotification` if no retry can help. The hub gets 202, and the event becomes a dead letter at
 * once. `event.parse(schema)` rejects with it.
 *
 * @example
 * ```ts
 * async onEventNotification(event: ContentDistributionMessage) {
 *   if (event.contentType !== 'application/json') throw new UnrecoverableEventError('expected JSON');
 * }
 * ```
 */
export class UnrecoverableEventError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_UNRECOVERABLE_EVENT';
}

/** Content had a missing or wrong signature (WebSub section 7.1). Passed to listeners of the hook `rejected`. */
export class SignatureError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_SIGNATURE';
}

/** The store could not be opened, read or written, or another process owns it. `startService` rejects with it. */
export class StoreError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_STORE';
}
