import type { CheckedSubscribeOptions } from '../../reconcile/desired-subscriptions.js';
import type { SubscriptionTarget } from '../../subscription/record/snapshot.js';
import { checkRequestForm } from './check-config.js';
import { checkFields, numberOf, wrongField, type Check } from './checks/field-checks.js';
import { metadata } from './checks/metadata-check.js';
import { paramsToAdd } from './checks/request-checks.js';
import type { CheckedServiceConfig } from './service-config.js';
import { secret } from './checks/service-checks.js';
import type { SubscribeOptions } from '../subscriber-runtime.js';
import { singleTarget } from './checks/target-checks.js';

const SUBSCRIBE = {
  target: singleTarget,
  leaseSeconds: numberOf('seconds', { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true }),
  secret,
  customParams: paramsToAdd,
  metadata,
} satisfies Record<keyof SubscribeOptions, Check<unknown>>;

/**
 * Checks the options of `subscribe()`.
 *
 * @throws ConfigurationError that names the field, its value (never a secret) and what is expected
 */
export function checkSubscribeOptions(
  { name, protocol, customParams }: CheckedServiceConfig,
  options: SubscribeOptions,
): CheckedSubscribeOptions {
  const place = { subject: `subscribe() for service "${name}"`, field: '' };
  const { target, metadata: newMetadata, ...overrides } = checkFields(options, place, SUBSCRIBE);
  if (target === undefined)
    throw wrongField(
      { ...place, field: 'target' },
      'is missing. Set what to subscribe to. If it is read from an environment variable, check that the variable is set',
    );
  const params = { ...customParams, ...overrides.customParams };
  if (overrides.customParams !== undefined) checkRequestForm({ customParams: params, protocol }, place.subject);
  return { target, overrides: Object.keys(overrides).length === 0 ? undefined : overrides, metadata: newMetadata };
}

/**
 * Checks the target of `unsubscribe()`.
 *
 * @throws ConfigurationError that names its value and what is expected
 */
export function checkUnsubscribeTarget(service: string, target: unknown): SubscriptionTarget {
  return singleTarget(target, { subject: `unsubscribe() for service "${service}"`, field: 'target' });
}
