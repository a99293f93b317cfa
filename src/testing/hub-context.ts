import type { Delivery, SentRequest } from './delivery.js';
import type { HubFaults, RequestFailure } from './hub-faults.js';
import type { HubProtocol } from './request-violations.js';
import type { SubscriptionKey, SubscriptionTable } from './subscription-table.js';
import type { Violation } from './violation.js';

/** What the parts of one hub share. */
export interface HubContext {
  readonly url: string;
  readonly protocol: HubProtocol;
  /** Whether the hub is reached over TLS. */
  readonly secure: boolean;
  readonly subscriptions: SubscriptionTable;
  readonly violations: Violation[];
  /** The faults in force for a topic. */
  readonly faultsOf: (topic: string) => HubFaults;
  /** The failure due for a request about a topic, counted down. */
  takeFailure(topic: string): RequestFailure | undefined;
  /** Sends to a callback after a delay. Never rejects: what went wrong is in the delivery. */
  send(kind: Delivery['kind'], to: SubscriptionKey, request: SentRequest, delayMs: number): Promise<Delivery>;
  /** Verifications under way: content is published after them, so that who has just confirmed gets it. */
  readonly verifications: Set<Promise<unknown>>;
  /** Waits; rejects when the hub is closed meanwhile. */
  pause(milliseconds: number): Promise<void>;
}
