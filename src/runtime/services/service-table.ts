import type { DeliveryServices } from '../../delivery/delivery-context.js';
import type { CallbackService, CallbackServices } from '../../http/callback-context.js';
import { configuredSecrets } from '../../hub/request/request-headers.js';
import type { DeclaredServices } from '../../reconcile/declared-service.js';
import type { SubscriptionTarget } from '../../subscription/record/snapshot.js';
import type { RequestPolicy } from '../../subscription/request-policy.js';
import type { ServicePolicies } from '../../subscription/subscription-context.js';
import type { CheckedSecurity } from '../config/checks/security-checks.js';
import { refuseUnpollable } from '../config/checks/target-checks.js';
import type { CheckedServiceConfig } from '../config/service-config.js';
import type { SubscriberHandlers } from '../subscriber-runtime.js';
import { LEAVING_CONFIG, leavingService } from './leaving-service.js';
import { requestPolicyOf } from './request-policy-of.js';

/** A service with its valid configuration and its handlers. */
export interface ServiceInstance {
  readonly config: CheckedServiceConfig;
  readonly handlers: SubscriberHandlers;
}

/** A service in the table, with what follows from its configuration. */
export interface RunningService extends ServiceInstance, CallbackService {
  readonly handlers: SubscriberHandlers;
  readonly policy: RequestPolicy;
}

/** The running services, by name. Each layer sees of a service what it needs. */
export class ServiceTable implements ServicePolicies, DeliveryServices, CallbackServices, DeclaredServices {
  readonly leaving = leavingService;
  readonly #security: CheckedSecurity;
  readonly #services = new Map<string, RunningService>();
  #base = '';
  #names: readonly string[] = [];
  #leavingPolicy: RequestPolicy | undefined;

  constructor(security: CheckedSecurity) {
    this.#security = security;
  }

  /**
   * Sets the services.
   *
   * @param base the public URL of the callbacks, without a trailing slash
   */
  load(instances: readonly ServiceInstance[], base: string): void {
    this.#base = base;
    for (const instance of instances) {
      const policy = requestPolicyOf(instance.config, this.#security, base);
      this.#services.set(instance.config.name, runningService(instance, policy));
    }
    this.#names = [...this.#services.keys()];
  }

  get names(): readonly string[] {
    return this.#names;
  }

  get leavingPolicy(): RequestPolicy {
    return (this.#leavingPolicy ??= requestPolicyOf(LEAVING_CONFIG, this.#security, this.#base));
  }

  get(service: string): RunningService | undefined {
    return this.#services.get(service);
  }

  all(): readonly RunningService[] {
    return [...this.#services.values()];
  }

  policyOf(service: string): RequestPolicy | undefined {
    return this.#services.get(service)?.policy;
  }

  configOf(service: string): CheckedServiceConfig | undefined {
    return this.#services.get(service)?.config;
  }

  checkTarget(service: string, target: SubscriptionTarget): void {
    const { pollSeconds = 0 } = this.configOf(service)?.delivery ?? {};
    refuseUnpollable([target], pollSeconds, `subscribe() for service "${service}"`);
  }
}

function runningService({ config, handlers }: ServiceInstance, policy: RequestPolicy): RunningService {
  const { name, delivery, signature } = config;
  const { httpConfig = {} } = config.discoveryConfig;
  return {
    name,
    config,
    handlers,
    delivery,
    signature,
    policy,
    // Not cached: bearer tokens may change with each request.
    get redactedValues() {
      return [...configuredSecrets(config), ...configuredSecrets({ httpConfig })];
    },
  };
}
