import type { Delivery, SentRequest } from './delivery/delivery.js';
import type { CountedFaults } from './faults/fault-layer.js';
import type { HoldBacks } from './faults/hold-backs.js';
import type { HubFaults } from './faults/hub-faults.js';
import type { RequestKind } from './faults/request-faults.js';
import type { HubProtocol } from './checks/request-violations.js';
import type { SubscriptionKey, SubscriptionTable } from './subscriptions/subscription-table.js';
import type { Violation } from './checks/violation.js';

/** What the parts of one hub share. */
export interface HubContext {
  readonly url: string;
  readonly protocol: HubProtocol;
  /** Whether the hub is reached over TLS. */
  readonly isSecure: boolean;
  readonly subscriptions: SubscriptionTable;
  readonly violations: Violation[];
  /** The faults in force for a topic. */
  readonly faultsOf: (topic: string) => HubFaults;
  /** The fault due for a request about a topic, counted down. */
  takeFault<Name extends keyof CountedFaults>(
    name: Name,
    topic: string,
    kind: RequestKind,
  ): CountedFaults[Name] | undefined;
  /** Counts a request about a topic. Above the rate limit, returns the seconds to wait. */
  countAgainstRateLimit(topic: string): number | undefined;
  /** Sends to a callback once nothing holds that back. Never rejects: what went wrong is in the delivery. */
  send(kind: Delivery['kind'], to: SubscriptionKey, request: SentRequest): Promise<Delivery>;
  /** Verifications under way: content is published after them, so that who has just confirmed gets it. */
  readonly verifications: Set<Promise<unknown>>;
  readonly holdBacks: HoldBacks;
}
