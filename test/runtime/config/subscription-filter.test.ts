import { describe, expect, it } from 'vitest';
import { ConfigurationError, type SubscriptionFilter } from 'websub-subscriber';
import { filterOf } from '../../../src/runtime/config/subscription-filter.js';
import { subscriptionList } from '../../../src/runtime/subscription-list.js';
import { newSubscription, type NewSubscription } from '../../../src/subscription/record/record.js';
import type { SubscriptionTarget } from '../../../src/subscription/record/snapshot.js';
import { START } from '../../subscription/machine/subscription-machine.js';
import { world } from '../../subscription/registry/registry-world.js';
import { failureOf } from '../../kit/failure-of.js';

const HUB = 'https://hub.example/';

const recordOf = (target: SubscriptionTarget, fields: Partial<NewSubscription> = {}) =>
  newSubscription({
    id: 's',
    service: 'News',
    target,
    declared: false,
    createdAt: START,
    overrides: undefined,
    ...fields,
  });

const matches = (filter: SubscriptionFilter, record = recordOf('https://example.com/feed')): boolean =>
  filterOf(filter, 'subscriptions.find()')(record);

describe('a filter of subscriptions', () => {
  it.each<[SubscriptionFilter['target'], SubscriptionTarget, boolean]>([
    ['https://example.com/feed', 'https://example.com/feed', true],
    ['https://EXAMPLE.com:443/feed', 'https://example.com/feed', true],
    ['https://example.com/feed', 'https://Example.com/feed', true],
    ['https://example.com/feed/', 'https://example.com/feed', false],
    [{ hub: 'https://hub.example', topic: 'news' }, { hub: HUB, topic: 'news' }, true],
    [['https://hub.example', 'news'], { hub: HUB, topic: 'news' }, true],
    [[HUB, 'News'], { hub: HUB, topic: 'news' }, false],
    [['https://other.example/', 'news'], { hub: HUB, topic: 'news' }, false],
    ['https://example.com/feed', { hub: HUB, topic: 'https://example.com/feed' }, false],
  ])('by target %j matches a subscription to %j: %s', (target, subscriptionTarget, expected) => {
    expect(matches({ target }, recordOf(subscriptionTarget))).toBe(expected);
  });

  it.each<[SubscriptionFilter['metadata'], boolean]>([
    [{}, true],
    [{ customer: '7' }, true],
    [{ customer: '7', plan: 'large' }, true],
    [{ customer: '8' }, false],
    [{ customer: '7', region: 'eu' }, false],
    [{ toString: 'x' }, false],
  ])('by metadata %j matches if each name has that value: %s', (metadata, expected) => {
    const record = recordOf('https://example.com/feed', { metadata: { customer: '7', plan: 'large' } });
    expect(matches({ metadata }, record)).toBe(expected);
  });

  it('by metadata matches no subscription without metadata, unless the filter is empty', () => {
    expect(matches({ metadata: { customer: '7' } })).toBe(false);
    expect(matches({ metadata: {} })).toBe(true);
  });

  it('ignores fields that are undefined', () => {
    const undefinedFields = {
      service: undefined,
      target: undefined,
      state: undefined,
      hub: undefined,
      topic: undefined,
    };
    expect(matches({ ...undefinedFields, declared: undefined, metadata: undefined })).toBe(true);
  });

  it('matches only if all of its fields match', () => {
    expect(matches({ service: 'News', state: ['active', 'requested'], declared: false })).toBe(true);
    expect(matches({ service: 'News', state: ['active', 'requested'], declared: true })).toBe(false);
    expect(matches({ state: [] })).toBe(false);
  });

  it.each<[unknown, RegExp]>([
    [{ sate: 'active' }, /^subscriptions\.find\(\): filter\.sate is not a known field \(did you mean state\?\)\.$/],
    [{ name: 'News' }, /filter\.name is not a known field \(known fields: service, target, state, hub,/],
    [{ sate: undefined }, /filter\.sate is not a known field/],
    [{ state: 'activ' }, /filter\.state is "activ"; it must be 'requested' or 'verifying' or/],
    [{ state: ['active', 'gone'] }, /filter\.state\[1\] is "gone"/],
    [{ state: 7 }, /filter\.state is 7; it must be a state or a list of states/],
    [{ service: (): string => 'News' }, /filter\.service is a function; it must be a string/],
    [{ hub: null }, /filter\.hub is null; it must be a string/],
    [{ topic: 7 }, /filter\.topic is a number/],
    [{ declared: 'yes' }, /filter\.declared is "yes"; it must be true or false/],
    [{ target: 'feed' }, /filter\.target is "feed"; it must be an absolute URL/],
    [{ metadata: { customer: undefined } }, /filter\.metadata\.customer is undefined; it must be a string/],
    [{ metadata: 'x' }, /filter\.metadata is a string/],
    ['active', /filter is a string; it must be an object/],
    [null, /filter is null; it must be an object/],
  ])('%j is refused with a ConfigurationError', async (filter, message) => {
    const { registry } = await world();
    const list = subscriptionList(registry);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without the compiler, a caller may pass any value
    const untypedFilter = filter as SubscriptionFilter;
    const failure = await failureOf(list.find(untypedFilter));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(message);
    expect((await failureOf(list.count(untypedFilter))).message).toBe(failure.message.replace('find()', 'count()'));
  });
});
