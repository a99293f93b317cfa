import type { Delivery, SentRequest } from './delivery/delivery.js';
import type { CountedFaults } from './faults/fault-layer.js';
import type { HoldBacks } from './faults/hold-backs.js';
import type { HubFaults } from './faults/hub-faults.js';
import type { RequestKind } from './faults/request-faults.js';
import type { HubProtocol } from './checks/request-violations.js';
import type { SubscriptionKey, SubscriptionTable } from './subscriptions/subscription-table.js';
import type { Violation } from './checks/violation.js';

/** State and functions that the parts of one hub share. */
export interface HubContext {
  readonly url: string;
  readonly protocol: HubProtocol;
  /** Whether the hub is served over TLS. */
  readonly isSecure: boolean;
  readonly subscriptions: SubscriptionTable;
  readonly violations: Violation[];
  /** Returns the faults in effect for a topic. */
  readonly faultsOf: (topic: string) => HubFaults;
  /** Returns the fault due for a request about a topic, and counts it down. */
  takeFault<Name extends keyof CountedFaults>(
    name: Name,
    topic: string,
    kind: RequestKind,
  ): CountedFaults[Name] | undefined;
  /** Counts a request about a topic. Above the rate limit, returns the seconds to wait. */
  countAgainstRateLimit(topic: string): number | undefined;
  /** Sends a request to a callback, after any hold-back. Never rejects: the delivery carries the error. */
  send(kind: Delivery['kind'], to: SubscriptionKey, request: SentRequest): Promise<Delivery>;
  /** Verifications in progress. Content waits for them, so a subscriber that has just confirmed receives it. */
  readonly verifications: Set<Promise<unknown>>;
  readonly holdBacks: HoldBacks;
}
