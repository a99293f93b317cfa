/** The `code` of every error this package throws. Stable: match on it rather than on messages. */
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

/** What an error may carry besides its message. */
export interface WebSubErrorOptions {
  /** What led to it. */
  readonly cause?: unknown;
  /** Headers added to the answer the hub gets, where the error is thrown by a handler that may refuse. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** Fields added to the form-encoded answer the hub gets, beside `reason`. */
  readonly body?: Readonly<Record<string, string>> | undefined;
}

/** The base of every error this package throws; `code` tells which one it is. */
export class WebSubError extends Error {
  readonly code: WebSubErrorCode = 'ERR_WEBSUB';
  // Declared only, as fields that are undefined would be printed with every error.
  declare readonly headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  declare readonly body: Readonly<Record<string, string>> | undefined;

  constructor(message: string, options: WebSubErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    const { headers, body } = options;
    Object.assign(this, headers === undefined ? {} : { headers }, body === undefined ? {} : { body });
  }
}

/** An option or a decorated class is wrong; the message names the field, its value and what would be right. */
export class ConfigurationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_CONFIGURATION';
}

/** The callback server could not listen, or its tunnel could not be opened. */
export class ListenerError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_LISTENER';
}

/** Why discovery found nothing to subscribe at. */
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
 * Discovery failed (WebSub section 4); `reason` tells how (`'no-hub'` where it was made without one), `status` is the HTTP
 * status where there was one.
 */
export class ResourceDiscoveryFailedError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_DISCOVERY';
  readonly reason: DiscoveryFailure;
  readonly status: number | undefined;
  /** Seconds the publisher asked to wait before the next try, with a 429 or 503. */
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

/** How a hub met a subscription request that it did not accept. */
export type InitiationFailure =
  /** No answer: a connection error or a time-out. Worth a retry. */
  | 'unreachable'
  /** A status that asks for a retry: 408, 409, 422, 425, 429, 5xx. Without a status: `httpConfig.auth.bearer` failed. */
  | 'temporary'
  /** Any other 4xx, or a redirect that cannot be followed. */
  | 'refused'
  /** Never sent: a secret over plain HTTP, an address that is not allowed. */
  | 'forbidden';

/**
 * A hub did not accept a subscription or unsubscription request (WebSub section 5.1); `reason` is `'refused'` where it was
 * made without one. Those that this package throws name `hub` and `topic`.
 */
export class SubscriptionInitiationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_INITIATION';
  readonly reason: InitiationFailure;
  readonly hub: string | undefined;
  readonly topic: string | undefined;
  readonly status: number | undefined;
  /** Seconds the hub asked to wait before the next try. */
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

/** Throw it from `onSubscriptionVerification` to refuse: the hub gets 404 with the message as reason. */
export class SubscriptionVerificationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_SUBSCRIPTION_VERIFICATION';
}

/** Throw it from `onUnsubscriptionVerification` to stay subscribed: the hub gets 404 with the message as reason. */
export class UnsubscriptionVerificationError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_UNSUBSCRIPTION_VERIFICATION';
}

/** Throw it from `onEventNotification` to end the subscription: the hub gets 410 and is asked to unsubscribe. */
export class SubscriptionDeletedError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_DELETED';
}

/**
 * Throw it from `onEventNotification` where no retry can help: the hub gets 202, and the event becomes a dead letter at once.
 * `event.parse(schema)` rejects with it.
 */
export class UnrecoverableEventError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_UNRECOVERABLE_EVENT';
}

/** Content arrived unsigned or wrongly signed (WebSub section 7.1). */
export class SignatureError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_SIGNATURE';
}

/** The store could not be opened, read or written, or another process owns it. */
export class StoreError extends WebSubError {
  override readonly code = 'ERR_WEBSUB_STORE';
}
