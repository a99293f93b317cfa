/*
 * Terms of the code: one word for one thing. "PROTOCOL V4" is the number of a wire requirement: the tests whose titles
 * begin with V4 say what it requires. `Quirk(hub):` marks a workaround for one hub.
 *
 * target         what the user names: a URL to discover from, or a known hub and topic
 * topic          the followed resource, as the hub knows it
 * subscription   a service's wish to receive a target; it gets one or more grants
 * grant          one hub's part of a subscription, requested or confirmed: callback, lease, secrets
 * callback       the capability URL that a hub delivers to; each grant has its own
 * request        our subscribe or unsubscribe POST; pending until the hub verifies or refuses it
 * verification   the hub's GET that checks our intent; unsolicited if no request is open
 * refusal        a hub's 4xx answer to our request, or a handler's error for a verification
 * error answer   our 4xx or 5xx answer to a hub's request
 * denial         the hub's GET with `hub.mode=denied` on the callback
 * rejection      content is not delivered because its signature is missing or wrong
 * delivery       a hub's POST to a callback
 * event          one content distribution, as a handler receives it; a feed has entries, not events
 * handler        a method of the user's service; a hook only observes
 * inbox          stored events that wait for their handler; a dead letter is no longer retried
 * dedupe key     identifies a body, or one version of a feed entry
 * gap            a time without a working grant or process; catch-up fetches what was published in it
 */

export { SubscriberService } from './decorators/subscriber-service.js';
export { defineSubscriber } from './decorators/define-subscriber.js';
export { startService } from './runtime/lifecycle/start-service.js';
export { SubscriberRuntime } from './runtime/subscriber-runtime.js';
export type {
  DeadLetterList,
  ServiceReference,
  StopOptions,
  SubscribeOptions,
  SubscriberClass,
  SubscriberDefinition,
  SubscriberHandlers,
  SubscriptionFilter,
  Subscriptions,
} from './runtime/subscriber-runtime.js';
export type { ScheduleOptions, SecurityOptions, StartOptions, Tunnel } from './runtime/config/start-options.js';
export type { SignatureConfig, SubscriberServiceConfig } from './runtime/config/service-config.js';
export { container, delay, inject, injectable, singleton } from './runtime/services/tsyringe.js';
export type { DependencyContainer, InjectionToken } from './runtime/services/tsyringe.js';

export type { Acknowledgement } from './delivery/handler/acknowledgement.js';
export type { EventHandler, IntentHandlers } from './delivery/handler/handlers.js';
export type {
  SubscriptionVerification,
  SubscriptionVerificationSuccess,
  UnsubscriptionVerification,
  UnsubscriptionVerificationSuccess,
} from './delivery/handler/verification.js';
export { ContentDistributionMessage } from './delivery/message/message.js';
export { toCloudEvent } from './delivery/message/cloud-event.js';
export type { CloudEvent } from './delivery/message/cloud-event.js';
export type { EventSummary } from './delivery/message/event-summary.js';
export type { StandardSchema, StandardSchemaIssue, StandardSchemaResult } from './delivery/message/standard-schema.js';
export type { ContentLinks, EventSource } from './delivery/message/received-content.js';
export type { FeedAuthor, FeedEntry, FeedFormat, ParsedEntry, ParsedFeed, YoutubeVideo } from './feed/feed.js';
export type { DeadLetter } from './delivery/inbox/dead-letters.js';
export type { DeadLetterCause } from './delivery/inbox/stored-event.js';
export type { DeadLetterConfig, DeliveryConfig } from './delivery/delivery-config.js';
export type { HookListener, HookName, HookPayload, HookPayloads } from './delivery/hook-payloads.js';
export type { TlsOptions } from './http/listen/listener.js';
export { InternalHubError, SubscriptionDeniedError } from './subscription/hub-errors.js';
export type { HubMessageOptions } from './subscription/hub-errors.js';
export type {
  FailureCause,
  FailureTally,
  Grant,
  HubAndTopic,
  Subscription,
  SubscriptionFailure,
  SubscriptionMetadata,
  SubscriptionState,
  SubscriptionStats,
  SubscriptionTarget,
} from './subscription/record/snapshot.js';

export { discover } from './hub/discovery/discover.js';
export type { Discovery, DiscoverySource } from './hub/discovery/discover.js';
export { requestSubscription, requestUnsubscription } from './hub/request/request-subscription.js';
export type { SubscriptionRequest, SubscriptionRequestResult } from './hub/request/request-subscription.js';
export type { BearerToken, DiscoveryConfig, HttpAuth, HttpClientConfig } from './hub/http/http-config.js';
export type { HubProtocol } from './protocol/request-form.js';
export { verifySignature } from './protocol/signature.js';
export type { SignatureAlgorithm, VerifySignatureOptions } from './protocol/signature.js';

export { Logger } from './logger.js';
export type { LogLine } from './logger.js';
export {
  ConfigurationError,
  ListenerError,
  ResourceDiscoveryFailedError,
  SignatureError,
  StoreError,
  SubscriptionDeletedError,
  SubscriptionInitiationError,
  SubscriptionVerificationError,
  UnrecoverableEventError,
  UnsubscriptionVerificationError,
  WebSubError,
} from './errors.js';
export type { DiscoveryFailure, InitiationFailure, WebSubErrorCode, WebSubErrorOptions } from './errors.js';
