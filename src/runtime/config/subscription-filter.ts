import type { SubscriptionRecord } from '../../subscription/record/record.js';
import { SUBSCRIPTION_STATES, type SubscriptionState } from '../../subscription/record/snapshot.js';
import { stateOf } from '../../subscription/machine/state.js';
import { checkFields, flag, listOf, oneOf, wrongHiddenValue, wrongValue, type Check } from './checks/field-checks.js';
import { metadataFields } from './checks/metadata-check.js';
import type { SubscriptionFilter } from '../subscriber-runtime.js';
import { targetKey } from '../../subscription/record/target.js';
import { singleTarget } from './checks/target-checks.js';

const anyString: Check<string> = (value, place) => {
  if (typeof value !== 'string') throw wrongHiddenValue(place, value, 'a string');
  return value;
};

const oneState = oneOf(...SUBSCRIPTION_STATES);
const states: Check<readonly SubscriptionState[]> = listOf(oneState, 'a state or a list of states');

const state: Check<readonly SubscriptionState[]> = (value, place) => {
  if (typeof value !== 'string' && !Array.isArray(value)) throw wrongValue(place, value, 'a state or a list of states');
  return typeof value === 'string' ? [oneState(value, place)] : states(value, place);
};

const FILTER = {
  service: anyString,
  target: singleTarget,
  state,
  hub: anyString,
  topic: anyString,
  declared: flag,
  metadata: metadataFields,
} satisfies Record<keyof SubscriptionFilter, Check<unknown>>;

/**
 * Turns a filter into a predicate on records, which costs much less than a snapshot of each.
 *
 * @param caller the method that takes the filter, for errors
 * @throws ConfigurationError that names the unknown or invalid field, and what is expected
 */
export function filterOf(filter: SubscriptionFilter, caller: string): (record: SubscriptionRecord) => boolean {
  const fields = checkFields(filter, { subject: caller, field: 'filter' }, FILTER);
  const { service, declared, topic, hub } = fields;
  const isTarget = fields.target === undefined ? undefined : targetMatcher(fields.target);
  const wanted = fields.metadata === undefined ? [] : Object.entries(fields.metadata);
  return (record) =>
    (service === undefined || record.service === service) &&
    (declared === undefined || record.declared === declared) &&
    (topic === undefined || record.grants.some((grant) => grant.topic === topic)) &&
    (hub === undefined || record.grants.some((grant) => grant.hub === hub)) &&
    wanted.every(([name, value]) => hasValue(record.metadata, name, value)) &&
    (fields.state === undefined || fields.state.includes(stateOf(record))) &&
    (isTarget === undefined || isTarget(record.target));
}

function targetMatcher(target: SubscriptionRecord['target']): (other: SubscriptionRecord['target']) => boolean {
  const { hub, name } = targetKey(target);
  return (other) => {
    // Skips the normalization, which parses URLs, if the kinds differ.
    if (typeof other !== typeof target) return false;
    const otherKey = targetKey(other);
    return otherKey.hub === hub && otherKey.name === name;
  };
}

function hasValue(metadata: SubscriptionRecord['metadata'], name: string, value: string): boolean {
  return metadata !== undefined && Object.hasOwn(metadata, name) && metadata[name] === value;
}
