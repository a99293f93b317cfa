export { TestHub } from './test-hub.js';
export type { TestHubOptions } from './test-hub-options.js';
export type { HubTopic } from './hub-topic.js';
export type { Distributor, PublishOptions, TopicMove, TopicOptions } from './topic-options.js';
export type { ContentHeaders } from './content-distribution.js';
export type { DiscoveryMethod } from './discovery-document.js';
export type { HubDelays, HubFaults, SignatureFault, SignatureMethod, VerifyMode, VerifyModes } from './hub-faults.js';
export type {
  AnswerBody,
  DenyOptions,
  RateLimit,
  RequestAcceptance,
  RequestDenial,
  RequestFailure,
  RequestKind,
  RequestLimits,
  RequestRedirect,
  RequestSelection,
} from './request-faults.js';
export type { Delivery, SentRequest } from './delivery.js';
export type { ReceivedRequest } from './received-request.js';
export type { HubSubscription, HubSubscriptionState, SubscriptionKey } from './subscription-table.js';
export type { ReverifyOptions } from './reverification.js';
export type { AnswerViolationCode, RequestViolationCode, Violation } from './violation.js';
export type { HubProtocol } from './request-violations.js';
export type { Truthy, WaitOptions } from './conditions.js';
