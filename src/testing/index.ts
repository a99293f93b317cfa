export { TestHub } from './test-hub.js';
export type { TestHubOptions } from './hub-parts.js';
export type { HubTopic } from './topics/topic-handle.js';
export type { Distributor, PublishOptions, TopicMove, TopicOptions } from './topics/topic-options.js';
export type { ContentHeaders } from './delivery/content-distribution.js';
export type { DiscoveryMethod } from './topics/discovery-document.js';
export type {
  HubDelays,
  HubFaults,
  SignatureFault,
  SignatureMethod,
  VerifyMode,
  VerifyModes,
} from './faults/hub-faults.js';
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
} from './faults/request-faults.js';
export type { Delivery, SentRequest } from './delivery/delivery.js';
export type { ReceivedRequest } from './subscriptions/received-request.js';
export type { HubSubscription, HubSubscriptionState, SubscriptionKey } from './subscriptions/subscription-table.js';
export type { ReverifyOptions } from './delivery/reverification.js';
export type { AnswerViolationCode, RequestViolationCode, Violation } from './checks/violation.js';
export type { HubProtocol } from './checks/request-violations.js';
export type { Truthy, WaitOptions } from './conditions.js';
