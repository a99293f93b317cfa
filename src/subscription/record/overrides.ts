import type { SubscriptionOverrides, SubscriptionRecord } from './record.js';
import type { ServiceTerms } from '../request-policy.js';

/** The service's terms with the subscription's own custom parameters over the service's. */
export function withOwnParams(terms: ServiceTerms, { overrides }: Pick<SubscriptionRecord, 'overrides'>): ServiceTerms {
  const own = overrides?.customParams;
  return own === undefined ? terms : { ...terms, customParams: { ...terms.customParams, ...own } };
}

/** The overrides after a later call of `subscribe()`: fields it gives replace those before, the others are kept. */
export function mergedOverrides(
  before: SubscriptionOverrides | undefined,
  given: SubscriptionOverrides | undefined,
): SubscriptionOverrides | undefined {
  return given === undefined ? before : { ...before, ...given };
}

/** Whether a hub would be asked otherwise with one than with the other. */
export function isOtherwise(a: SubscriptionOverrides = {}, b: SubscriptionOverrides = {}): boolean {
  return a.leaseSeconds !== b.leaseSeconds || a.secret !== b.secret || !areEqual(a.customParams, b.customParams);
}

function areEqual(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
