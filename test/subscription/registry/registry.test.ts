import { describe, expect, test } from 'vitest';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, START, TOPIC } from '../machine/life.js';
import { subscription, POLICY, world, type World } from './registry-world.js';

const discovered: TransitionInput = { type: 'discovered', topic: TOPIC, hubs: [HUB] };

async function addActive(here: World, id = 's'): Promise<string> {
  await here.registry.add(subscription(id));
  await here.registry.apply(id, { type: 'wanted' });
  const { grants } = await here.registry.apply(id, discovered);
  const grantId = grants[0]?.id ?? '';
  await here.registry.apply(id, { type: 'requested', grantId, requestId: 'r', mode: 'subscribe', secret: null });
  await here.registry.apply(id, { type: 'accepted', grantId, requestId: 'r', hub: HUB, moved: false });
  await here.registry.apply(id, { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '864000' });
  await here.registry.apply(id, { type: 'answered', grantId });
  return grantId;
}

const keyOf = ({ registry }: World, id: string): string =>
  callbackKey(registry.get(id)?.record.grants[0]?.callback ?? 'http://no.example/callback');

describe('S2 the store comes first', () => {
  test('a record is stored before its effects start', async () => {
    const here = await world();
    const grantId = await addActive(here);
    const [requested, verified] = here.performed.filter(({ effect }) => effect.type === 'hook');
    expect(requested?.effect).toMatchObject({ name: 'requested' });
    expect(await requested?.stored).toMatchObject({ data: { record: { grants: [{ pending: { id: 'r' } }] } } });
    expect(verified?.effect).toMatchObject({ name: 'verified' });
    expect(await verified?.stored).toMatchObject({ data: { record: { grants: [{ state: 'active' }] } } });
    await here.registry.apply('s', { type: 'denied', grantId, failure: failure('denied') });
    expect(await here.performed.at(-1)?.stored).toMatchObject({
      data: { record: { grants: [{ state: 'active', deniedAt: START, askAfreshAt: START + 90_000 }] } },
    });
  });

  test('a deferred write is made with the next one, or in a batch', async () => {
    const here = await world();
    await here.registry.add(subscription('s'));
    await here.registry.add(subscription('t'));
    const before = await here.store.get('subscription', 's');
    for (const id of ['s', 't']) {
      await here.registry.apply(id, { type: 'wanted' });
      await here.registry.apply(id, discovered);
    }
    expect(here.performed.map(({ effect }) => effect.type)).toEqual(['discover', 'request', 'discover', 'request']);
    expect(await here.store.get('subscription', 's')).toEqual(before);
    const grantId = here.registry.get('s')?.record.grants[0]?.id ?? '';
    await here.registry.apply('s', { type: 'requested', grantId, requestId: 'r', mode: 'subscribe', secret: null });
    expect(await here.store.get('subscription', 's')).toMatchObject({ data: { record: { hubs: [HUB] } } });
    await here.registry.flush();
    expect(await here.store.get('subscription', 't')).toMatchObject({ data: { record: { hubs: [HUB] } } });
  });

  test('an event that cannot be stored changes nothing and has no effects', async () => {
    const here = await world();
    await addActive(here);
    const before = here.registry.get('s')?.record;
    here.performed.length = 0;
    here.isFailing = true;
    await expect(here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' })).rejects.toThrow(
      'the store is down',
    );
    expect(here.registry.get('s')?.record).toBe(before);
    expect(here.performed).toEqual([]);
    await expect(here.registry.add(subscription('other'))).rejects.toThrow('the store is down');
    expect(here.registry.get('other')).toBeUndefined();
    here.isFailing = false;
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    expect(here.performed).toHaveLength(1);
  });

  test('an event that changes nothing is not stored', async () => {
    const here = await world();
    await addActive(here);
    here.isFailing = true;
    await expect(here.registry.apply('s', { type: 'wanted' })).resolves.toBe(here.registry.get('s')?.record);
  });

  test('due work that could not be stored does not wait longer when the clock is set back', async () => {
    const here = await world();
    const grantId = await addActive(here);
    here.engine.tick();
    here.now += 11 * DAY;
    here.isFailing = true;
    here.engine.tick();
    await expect.poll(() => here.lines.length).toBe(1);
    here.isFailing = false;
    here.now -= 4 * DAY;
    here.engine.tick();
    const renewsAt = here.registry.get('s')?.record.grants.find(({ id }) => id === grantId)?.renewsAt ?? 0;
    here.now = renewsAt;
    here.performed.length = 0;
    here.engine.tick();
    await expect.poll(() => here.performed.length).toBe(1);
    expect(here.performed[0]?.effect.type).toBe('discover');
  });

  test('due work that cannot be stored is logged and retried in a minute', async () => {
    const here = await world();
    await addActive(here);
    here.isFailing = true;
    here.now += 11 * DAY;
    here.engine.tick();
    await expect.poll(() => here.lines).toHaveLength(1);
    expect(here.lines[0]).toMatchObject({ level: 'error', fields: { subscription: 's' } });
    here.isFailing = false;
    here.performed.length = 0;
    here.now += 60_000;
    here.engine.tick();
    await expect.poll(() => here.performed.map(({ effect }) => effect.type)).toEqual(['hook', 'discover', 'catch-up']);
  });
});

describe('events of one subscription', () => {
  test('are applied one at a time, each to the result of the one before', async () => {
    const here = await world();
    await here.registry.add(subscription('s'));
    const all = await Promise.all([
      here.registry.apply('s', { type: 'wanted' }),
      here.registry.apply('s', discovered),
      here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' }),
    ]);
    expect(all.map(stateOf)).toEqual(['requested', 'requested', 'unsubscribed']);
  });

  test('can have effects that apply further events to it', async () => {
    const here = await world();
    let applied: Promise<unknown> = Promise.resolve();
    here.perform = (_record, { type }) => {
      if (type === 'discover') applied = here.registry.apply('s', discovered);
    };
    await here.registry.add(subscription('s'));
    await here.registry.apply('s', { type: 'wanted' });
    await applied;
    expect(here.registry.get('s')?.record.grants).toHaveLength(1);
  });

  test('throw if there is no such subscription', async () => {
    const here = await world();
    await expect(here.registry.apply('nobody', { type: 'wanted' })).rejects.toThrow('There is no subscription nobody');
  });

  test('change nothing if the code no longer has its service', async () => {
    const here = await world();
    await addActive(here);
    const before = here.registry.get('s')?.record;
    here.policy = undefined;
    await expect(here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' })).resolves.toBe(before);
  });
});

describe('a restart', () => {
  test('L4 loads subscriptions, their callbacks and their counters', async () => {
    const here = await world();
    const grantId = await addActive(here);
    here.registry.get('s')?.counters.received(START);
    await here.registry.flush();
    const again = await world(here.store);
    await again.registry.load();
    expect([...again.registry.all()].map(({ record }) => record)).toEqual([here.registry.get('s')?.record]);
    expect(again.registry.match(keyOf(here, 's'))?.grant.id).toBe(grantId);
    expect(again.registry.get('s')?.counters.stats().received).toBe(1);
  });

  test('runs work at once that was planned by a clock that was set back since, also for an unwanted subscription', async () => {
    const before = await world();
    const grantId = await addActive(before);
    await before.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    const after = await world(before.store);
    after.now -= 4 * DAY;
    await after.registry.load();
    await after.registry.apply('s', { type: 'wanted' });
    after.engine.tick();
    await expect
      .poll(() => after.performed.map(({ effect }) => effect))
      .toEqual([{ type: 'request', grantId, mode: 'unsubscribe' }]);
  });

  test('L1 schedules due work again', async () => {
    const here = await world();
    await addActive(here);
    const again = await world(here.store);
    await again.registry.load();
    again.now += 9 * DAY;
    again.engine.tick();
    await expect.poll(() => again.performed.map(({ effect }) => effect.type)).toEqual(['discover']);
  });

  test('does nothing for a subscription without a service, but knows its callback', async () => {
    const here = await world();
    await addActive(here);
    const again = await world(here.store);
    again.policy = undefined;
    await again.registry.load();
    again.now += 20 * DAY;
    again.engine.tick();
    await again.registry.flush();
    expect(again.performed).toEqual([]);
    expect(again.registry.match(keyOf(here, 's'))?.stored.record.id).toBe('s');
  });

  test.each([
    ['is no record', 'garbage'],
    ['is of a newer version', { v: 99, data: {} }],
    ['is empty', { v: 1, data: null }],
    ['contains something else', { v: 1, data: { record: { id: 'x' }, stats: {} } }],
    ['lacks its counters', { v: 1, data: { record: { id: 'x', service: 'News', grants: [] }, stats: null } }],
  ])('logs a record that %s, leaves it in the store, and continues', async (_problem, value) => {
    const here = await world();
    await addActive(here);
    await here.store.set('subscription', 'bad', value);
    const again = await world(here.store);
    await again.registry.load();
    expect([...again.registry.all()]).toHaveLength(1);
    expect(again.lines).toMatchObject([{ level: 'error', message: expect.stringMatching(/left as it is/) }]);
    expect(await here.store.get('subscription', 'bad')).toEqual(value);
  });
});

describe('counters', () => {
  test('are stored with the next record or in a batch, if they have changed', async () => {
    const here = await world();
    await addActive(here);
    here.registry.get('s')?.counters.delivered();
    await here.registry.flush();
    expect(await here.store.get('subscription', 's')).toMatchObject({ data: { stats: { delivered: 1 } } });
    here.isFailing = true;
    await here.registry.flush();
  });

  test('that could not be stored are stored the next time', async () => {
    const here = await world();
    await addActive(here, 's');
    await addActive(here, 't');
    for (const { counters } of here.registry.all()) counters.delivered();
    here.isFailing = true;
    await expect(here.registry.flush()).rejects.toThrow('the store is down');
    here.isFailing = false;
    await here.registry.flush();
    expect(await here.store.get('subscription', 't')).toMatchObject({ data: { stats: { delivered: 1 } } });
  });
});

describe('a tombstone', () => {
  test('C1 is found by its callback until it is swept', async () => {
    const here = await world();
    const grantId = await addActive(here);
    const key = keyOf(here, 's');
    await here.registry.apply('s', { type: 'unwanted', why: 'shutdown' });
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'unsubscribe' });
    await here.registry.sweep(START);
    expect(here.registry.match(key)?.grant.state).toBe('unsubscribed');
    await here.registry.sweep(START + 1);
    expect(here.registry.match(key)).toBeUndefined();
    expect(here.registry.get('s')?.record).toMatchObject({ grants: [], desired: 'subscribed' });
    expect(await here.store.get('subscription', 's')).toMatchObject({ data: { record: { grants: [] } } });
  });

  test('C1 N1 is left of a grant with an unsolicited denial once its lease has ended, not before', async () => {
    const here = await world();
    const grantId = await addActive(here);
    const key = keyOf(here, 's');
    here.now += 10 * DAY - 1_000;
    await here.registry.apply('s', { type: 'denied', grantId, failure: failure('denied', here.now) });
    await here.registry.sweep(here.now + 1);
    expect(here.registry.match(key)?.grant.state).toBe('active');
    here.now += 1_000;
    await here.registry.apply('s', { type: 'due' });
    expect(here.registry.match(key)?.grant).toMatchObject({ state: 'unsubscribed', endedAt: here.now });
    await here.registry.sweep(here.now + 1);
    expect(here.registry.match(key)).toBeUndefined();
  });

  test('is all that a sweep removes: grants in use stay', async () => {
    const here = await world();
    await addActive(here);
    here.isFailing = true;
    await here.registry.sweep(START + 365 * DAY);
    expect(here.registry.match(keyOf(here, 's'))?.grant.state).toBe('active');
  });
});

test('S8 the next grant takes over a callback that can serve one grant only', async () => {
  const here = await world();
  here.policy = { ...POLICY, newPath: () => 'only' };
  const first = await addActive(here);
  const { grants } = await here.registry.apply('s', { ...discovered, hubs: ['https://second-hub.example/'] });
  expect(grants).toHaveLength(1);
  expect(here.registry.match('only')?.grant).toBe(grants[0]);
  expect(grants[0]?.id).not.toBe(first);
});

test('S4 only PubSubHubbub 0.3 gets a verify token', async () => {
  const here = await world();
  await addActive(here, 'websub');
  here.policy = { ...POLICY, protocol: 'pubsubhubbub-0.3' };
  await addActive(here, 'old');
  const tokens = ['websub', 'old'].map((id) => here.registry.get(id)?.record.grants[0]?.verifyToken);
  expect(tokens).toEqual([undefined, expect.stringMatching(/^[\w-]{22}$/)]);
});

test('the lease of a subscription overrides the one of its service', async () => {
  const here = await world();
  here.policy = { ...POLICY, rules: { ...POLICY.rules, leaseSeconds: 864_000 } };
  await here.registry.add({ ...subscription('s'), overrides: { leaseSeconds: 20 } });
  await here.registry.apply('s', { type: 'wanted' });
  const { grants } = await here.registry.apply('s', discovered);
  const grantId = grants[0]?.id ?? '';
  const requested = await here.registry.apply('s', { type: 'requested', grantId, requestId: 'r', mode: 'subscribe' });
  expect(requested.grants[0]?.pending?.deadline).toBe(START + 2_000);
});

test('N1 the request after an unsolicited denial has a new callback, and the old one still works', async () => {
  const here = await world();
  const first = await addActive(here);
  const key = keyOf(here, 's');
  await here.registry.apply('s', { type: 'denied', grantId: first, failure: failure('denied') });
  here.now += 90_000;
  const { grants } = await here.registry.apply('s', { type: 'due' });
  expect(grants).toMatchObject([{ id: first }, { replaces: first, state: 'requested' }]);
  expect(here.registry.match(callbackKey(grants[1]?.callback ?? ''))?.grant.id).toBe(grants[1]?.id);
  expect(here.registry.match(key)?.grant.id).toBe(first);
  expect(here.performed.at(-1)?.effect).toEqual({ type: 'request', grantId: grants[1]?.id, mode: 'subscribe' });
});

test('N1 the request after an unsolicited denial keeps the callback if there is only one', async () => {
  const here = await world();
  here.policy = { ...POLICY, newPath: () => 'only', hasOneCallback: true };
  const first = await addActive(here);
  await here.registry.apply('s', { type: 'denied', grantId: first, failure: failure('denied') });
  here.now += 90_000;
  const { grants } = await here.registry.apply('s', { type: 'due' });
  expect(grants).toMatchObject([{ id: first, denialCheckedAt: here.now }]);
  expect(here.registry.match('only')?.grant.id).toBe(first);
});

test('N2 a denial survives a restart, and neither restart nor sweep leads to an earlier request', async () => {
  const here = await world();
  const grantId = await addActive(here);
  await here.registry.apply('s', { type: 'denied', grantId, failure: failure('denied') });
  const again = await world(here.store);
  again.now += 10_000;
  await again.registry.load();
  await again.registry.apply('s', { type: 'wanted' });
  await again.registry.sweep(again.now);
  again.engine.tick();
  expect(again.performed).toEqual([]);
  again.now += 80_000;
  again.engine.tick();
  await expect.poll(() => again.performed.map(({ effect }) => effect.type)).toEqual(['request']);
});
