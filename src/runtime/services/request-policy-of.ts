import type { RequestPolicy } from '../../subscription/request-policy.js';
import { callbackPaths } from '../../reconcile/callback-paths.js';
import type { CheckedServiceConfig } from '../config/service-config.js';
import type { CheckedSecurity } from '../config/checks/security-checks.js';

/** Builds a service's request policy from its configuration and the runtime's options. */
export function requestPolicyOf(config: CheckedServiceConfig, security: CheckedSecurity, base: string): RequestPolicy {
  const { secret, protocol, httpConfig, discoveryConfig, customParams, customHeaders } = config;
  const { allowPrivateNetworks, allowInsecureSecret, defaultLeaseSeconds, maxLeaseSeconds, maxRenewalSeconds } =
    security;
  const { leaseSeconds, verifyTimeoutSeconds, maxAttempts, hubs, afterDenial, rotateSecret, rotateCallback } = config;
  const { catchUp, pollSeconds } = config.delivery;
  return {
    rules: {
      leaseSeconds,
      verifyTimeoutSeconds,
      maxAttempts,
      afterDenial,
      rotateSecret,
      rotateCallback,
      hubs,
      catchUp,
      pollSeconds,
      defaultLeaseSeconds,
      maxLeaseSeconds,
      maxRenewalSeconds,
    },
    secret,
    protocol,
    httpConfig,
    discoveryConfig,
    customParams,
    customHeaders,
    allowPrivateNetworks,
    allowInsecureSecret,
    ...callbackPaths(config, base),
  };
}
