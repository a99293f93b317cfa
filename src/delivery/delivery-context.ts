import type { ServicePolicies, SubscriptionContext } from '../subscription/subscription-context.js';
import type { DeliveryService } from './delivery-service.js';
import type { SubscriberHooks } from './hook-payloads.js';

/** The running services, as the delivery of events needs them. */
export interface DeliveryServices {
  /** Undefined for a service that this runtime does not run. Its events stay in the store unchanged. */
  get(service: string): DeliveryService | undefined;
  /** The names of the running services. */
  readonly names: readonly string[];
}

/** The parts of a runtime that the delivery of events needs. */
export interface DeliveryContext extends SubscriptionContext {
  readonly services: ServicePolicies & DeliveryServices;
  readonly hooks: SubscriberHooks;
  /** Maximum bytes of fetched content. */
  readonly maxBodyBytes: number;
  /** Milliseconds the store may take while a hub waits. */
  readonly storeTimeoutMs: number;
}
