import { describe, expect, it } from 'vitest';
import { ConfigurationError, type SubscriptionFilter } from 'websub-subscriber';
import { filterOf } from '../../../src/runtime/config/subscription-filter.js';
import { subscriptionList } from '../../../src/runtime/subscription-list.js';
import { newSubscription, type NewSubscription } from '../../../src/subscription/record/record.js';
import type { SubscriptionTarget } from '../../../src/subscription/record/snapshot.js';
import { START } from '../../subscription/machine/life.js';
import { world } from '../../subscription/registry/registry-world.js';
import { failureOf } from '../../kit/world.js';

const HUB = 'https://hub.example/';

const record = (target: SubscriptionTarget, more: Partial<NewSubscription> = {}) =>
  newSubscription({
    id: 's',
    service: 'News',
    target,
    declared: false,
    createdAt: START,
    overrides: undefined,
    ...more,
  });

const fits = (filter: SubscriptionFilter, one = record('https://example.com/feed')): boolean =>
  filterOf(filter, 'subscriptions.find()')(one);

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
  ])('by target %j: what was subscribed as %j fits: %s', (target, subscribed, expected) => {
    expect(fits({ target }, record(subscribed))).toBe(expected);
  });

  it.each<[SubscriptionFilter['metadata'], boolean]>([
    [{}, true],
    [{ customer: '7' }, true],
    [{ customer: '7', plan: 'large' }, true],
    [{ customer: '8' }, false],
    [{ customer: '7', region: 'eu' }, false],
    [{ toString: 'x' }, false],
  ])('by metadata %j fits where each name has that value: %s', (metadata, expected) => {
    const one = record('https://example.com/feed', { metadata: { customer: '7', plan: 'large' } });
    expect(fits({ metadata }, one)).toBe(expected);
  });

  it('by metadata fits no subscription without it, but for an empty filter', () => {
    expect(fits({ metadata: { customer: '7' } })).toBe(false);
    expect(fits({ metadata: {} })).toBe(true);
  });

  it('takes a field that is undefined for one that is not given', () => {
    const nothing = { service: undefined, target: undefined, state: undefined, hub: undefined, topic: undefined };
    expect(fits({ ...nothing, declared: undefined, metadata: undefined })).toBe(true);
  });

  it('fits by all of its fields, not by one of them', () => {
    expect(fits({ service: 'News', state: ['active', 'requested'], declared: false })).toBe(true);
    expect(fits({ service: 'News', state: ['active', 'requested'], declared: true })).toBe(false);
    expect(fits({ state: [] })).toBe(false);
  });

  it.each<[unknown, RegExp]>([
    [{ sate: 'active' }, /^subscriptions\.find\(\): filter\.sate is not a known field \(did you mean state\?\)\.$/],
    [{ name: 'News' }, /filter\.name is not a known field \(the fields here are service, target, state, hub,/],
    [{ sate: undefined }, /filter\.sate is not a known field/],
    [{ state: 'activ' }, /filter\.state is "activ"; it must be 'requested' or 'verifying' or/],
    [{ state: ['active', 'gone'] }, /filter\.state\[1\] is "gone"/],
    [{ state: 7 }, /filter\.state is 7; it must be a state or a list of states/],
    [{ service: (): string => 'News' }, /filter\.service is a function; it must be a string/],
    [{ hub: null }, /filter\.hub is null; it must be a string/],
    [{ topic: 7 }, /filter\.topic is a number/],
    [{ declared: 'yes' }, /filter\.declared is "yes"; it must be true or false/],
    [{ target: 'feed' }, /filter\.target "feed" is not an absolute URL/],
    [{ metadata: { customer: undefined } }, /filter\.metadata\.customer is undefined; it must be a string/],
    [{ metadata: 'x' }, /filter\.metadata is a string/],
    ['active', /filter is a string; it must be an object/],
    [null, /filter is null; it must be an object/],
  ])('%j is a ConfigurationError', async (filter, message) => {
    const { registry } = await world();
    const list = subscriptionList(registry);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without a compiler anything can be passed
    const given = filter as SubscriptionFilter;
    const failure = await failureOf(list.find(given));
    expect(failure).toBeInstanceOf(ConfigurationError);
    expect(failure.message).toMatch(message);
    expect((await failureOf(list.count(given))).message).toBe(failure.message.replace('find()', 'count()'));
  });
});
