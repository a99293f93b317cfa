import type { SubscriptionTarget } from '../subscription/record/snapshot.js';
import type { ServicePolicies, SubscriptionContext } from '../subscription/subscription-context.js';

/** The fields of a service's configuration that decide its subscriptions and their callbacks. */
export interface DeclaredService {
  readonly name: string;
  /** The targets that the code declares. */
  readonly targets: readonly SubscriptionTarget[];
  /** `'auto'`, a secret, or `false` for none. Undefined: the hub's scheme and the protocol decide. */
  readonly secret: string | false | undefined;
  /** The public callback URL, or its base with `appendServicePath`. Undefined: built from the runtime's public URL. */
  readonly callback: string | undefined;
  /** Whether a path or token is appended to `callback`. */
  readonly appendServicePath: boolean;
  /** Path below the base URL, without a leading or trailing slash. Undefined: a random token. */
  readonly servicePath: string | undefined;
}

/** The running services, as the code declares them. */
export interface DeclaredServices {
  /** Undefined for a service that this runtime does not run. */
  configOf(service: string): DeclaredService | undefined;
  /** @throws ConfigurationError if the service's options do not allow the target */
  checkTarget(service: string, target: SubscriptionTarget): void;
}

/** The parts of a runtime that decide which subscriptions should exist. */
export interface ReconcileContext extends SubscriptionContext {
  readonly services: ServicePolicies & DeclaredServices;
}
