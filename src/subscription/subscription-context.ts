import type { EngineContext } from '../engine/engine-context.js';
import type { RequestPolicy } from './request-policy.js';

/** The request policies of the services. */
export interface ServicePolicies {
  /** Undefined for a service that this runtime does not run. Its subscriptions stay stored, and can only be left. */
  policyOf(service: string): RequestPolicy | undefined;
  /** The policy for leaving a subscription whose service does not run. */
  readonly leavingPolicy: RequestPolicy;
}

/** The parts of a runtime that subscriptions need. */
export interface SubscriptionContext extends EngineContext {
  readonly services: ServicePolicies;
}
