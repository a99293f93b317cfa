import type { SubscriptionOverrides, SubscriptionRecord } from './record.js';
import type { RequestPolicy } from '../request-policy.js';

/** The service's request policy, with the subscription's custom parameters added to the service's. */
export function withCustomParams(
  policy: RequestPolicy,
  { overrides }: Pick<SubscriptionRecord, 'overrides'>,
): RequestPolicy {
  const customParams = overrides?.customParams;
  return customParams === undefined ? policy : { ...policy, customParams: { ...policy.customParams, ...customParams } };
}

/** The overrides after another call of `subscribe()`: passed fields replace the earlier ones. */
export function mergedOverrides(
  before: SubscriptionOverrides | undefined,
  changes: SubscriptionOverrides | undefined,
): SubscriptionOverrides | undefined {
  return changes === undefined ? before : { ...before, ...changes };
}

/** Whether two sets of overrides lead to different requests. */
export function hasChangedOverrides(a: SubscriptionOverrides = {}, b: SubscriptionOverrides = {}): boolean {
  return a.leaseSeconds !== b.leaseSeconds || a.secret !== b.secret || !areEqual(a.customParams, b.customParams);
}

function areEqual(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
