import { isFetchable } from '../../../subscription/machine/fetches/readable-grant.js';
import type { HubAndTopic, SubscriptionTarget } from '../../../subscription/record/snapshot.js';
import { targetKey, targetName } from '../../../subscription/record/target.js';
import { isRecord } from '../../../protocol/encoding/is-record.js';
import { checkFields, fieldOf, wrongField, wrongValue, type Check, type Place } from './field-checks.js';
import { httpUrl, topicOfHub } from './url-checks.js';

const HUB_AND_TOPIC = { hub: httpUrl, topic: topicOfHub };

/** Checks a target: a URL to discover from, or `{ hub, topic }`. */
export const targetInList: Check<SubscriptionTarget> = (value, place) => {
  if (typeof value === 'string') return httpUrl(value, place);
  if (!isRecord(value) || value instanceof URL) {
    throw wrongValue(place, value, 'a URL as a string, or { hub, topic }');
  }
  const { hub, topic } = checkFields(value, place, HUB_AND_TOPIC);
  return hubAndTopic(hub, topic, place);
};

/** Checks a target: a URL to discover from, `{ hub, topic }` or `[hub, topic]`. */
export const singleTarget: Check<SubscriptionTarget> = (value, place) => {
  if (!Array.isArray(value)) return targetInList(value, place);
  const [hub, topic, ...extraItems]: unknown[] = value;
  if (extraItems.length > 0)
    throw wrongField(place, `has ${value.length} items; it must be [hub, topic]. For several targets, use targets`);
  return hubAndTopic(
    hub === undefined ? undefined : httpUrl(hub, fieldOf(place, 0)),
    topic === undefined ? undefined : topicOfHub(topic, fieldOf(place, 1)),
    place,
  );
};

function hubAndTopic(hub: string | undefined, topic: string | undefined, place: Place): HubAndTopic {
  if (hub === undefined || topic === undefined) {
    throw wrongField(place, `has no ${hub === undefined ? 'hub' : 'topic'}; it must have a hub and a topic`);
  }
  return Object.freeze({ hub, topic });
}

/**
 * Refuses a target that is present but undefined. Without this check, the service would start and subscribe to nothing.
 *
 * @throws ConfigurationError with the likely cause and the remedy
 */
export function refuseUndefinedTargets(config: object, subject: string): void {
  for (const field of ['target', 'targets']) {
    if (!Object.hasOwn(config, field) || Reflect.get(config, field) !== undefined) continue;
    throw wrongField(
      { subject, field },
      'is undefined. If it is read from an environment variable, check that the variable is set. ' +
        'To subscribe later with runtime.subscribe(), omit the field',
    );
  }
}

/** @throws ConfigurationError if two targets are equal: both would be one subscription */
export function refuseDuplicates(targets: readonly SubscriptionTarget[], subject: string): void {
  const seen = new Set<string>();
  for (const target of targets) {
    const { hub, name } = targetKey(target);
    const key = `${hub} ${name}`;
    if (seen.has(key)) {
      throw wrongField(
        { subject, field: 'targets' },
        `names ${targetName(target)} twice (target and targets count together). Name each target once`,
      );
    }
    seen.add(key);
  }
}

/** @throws ConfigurationError if polling is on and a topic is not a URL, such as the topic names of FHIRcast */
export function refuseUnpollable(targets: readonly SubscriptionTarget[], pollSeconds: number, subject: string): void {
  if (pollSeconds === 0) return;
  const unpollable = targets.find((target) => typeof target !== 'string' && !isFetchable(target.topic));
  if (unpollable === undefined) return;
  throw wrongField(
    { subject, field: 'delivery.pollSeconds' },
    `is ${pollSeconds}, but the topic of ${targetName(unpollable)} is not an http or https URL and cannot be polled. ` +
      'Omit pollSeconds, or subscribe to that topic with another service',
  );
}
