import { describe, expect, test } from 'vitest';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { BareInput } from '../machine/current-ids.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, START, TOPIC } from '../machine/subscription-machine.js';
import { addActive, subscription, POLICY, world, type World } from './registry-world.js';

const discovered: BareInput = { type: 'discovered', topic: TOPIC, hubs: [HUB] };

const keyOf = ({ registry }: World, id: string): string =>
  callbackKey(registry.get(id)?.record.grants[0]?.callback ?? 'http://no.example/callback');

describe('S2 the store comes first', () => {
  test('a record is stored before its effects start', async () => {
    const registryWorld = await world();
    const grantId = await addActive(registryWorld);
    const [requested, verified] = registryWorld.performed.filter(({ effect }) => effect.type === 'hook');
    expect(requested?.effect).toMatchObject({ name: 'requested' });
    expect(await requested?.stored).toMatchObject({
      data: { record: { grants: [{ pending: { mode: 'subscribe' } }] } },
    });
    expect(verified?.effect).toMatchObject({ name: 'verified' });
    expect(await verified?.stored).toMatchObject({ data: { record: { grants: [{ state: 'active' }] } } });
    await registryWorld.apply('s', { type: 'denied', grantId, failure: failure('denied') });
    expect(await registryWorld.performed.at(-1)?.stored).toMatchObject({
      data: { record: { grants: [{ state: 'active', deniedAt: START, askAfreshAt: START + 90_000 }] } },
    });
  });

  test('a deferred write is made with the next write, or in a batch', async () => {
    const registryWorld = await world();
    await registryWorld.registry.add(subscription('s'));
    await registryWorld.registry.add(subscription('t'));
    const storedBefore = await registryWorld.store.get('subscription', 's');
    for (const id of ['s', 't']) {
      await registryWorld.apply(id, { type: 'wanted' });
      await registryWorld.apply(id, discovered);
    }
    expect(registryWorld.performed.map(({ effect }) => effect.type)).toEqual([
      'discover',
      'request',
      'discover',
      'request',
    ]);
    expect(await registryWorld.store.get('subscription', 's')).toEqual(storedBefore);
    const grantId = registryWorld.registry.get('s')?.record.grants[0]?.id ?? '';
    await registryWorld.apply('s', {
      type: 'requested',
      grantId,
      mode: 'subscribe',
      secret: null,
    });
    expect(await registryWorld.store.get('subscription', 's')).toMatchObject({ data: { record: { hubs: [HUB] } } });
    await registryWorld.registry.flush();
    expect(await registryWorld.store.get('subscription', 't')).toMatchObject({ data: { record: { hubs: [HUB] } } });
  });

  test('an input that cannot be stored changes nothing and has no effects', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    const recordBefore = registryWorld.registry.get('s')?.record;
    registryWorld.performed.length = 0;
    registryWorld.isFailing = true;
    await expect(registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' })).rejects.toThrow(
      'the store is down',
    );
    expect(registryWorld.registry.get('s')?.record).toBe(recordBefore);
    expect(registryWorld.performed).toEqual([]);
    await expect(registryWorld.registry.add(subscription('other'))).rejects.toThrow('the store is down');
    expect(registryWorld.registry.get('other')).toBeUndefined();
    registryWorld.isFailing = false;
    await registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    expect(registryWorld.performed).toHaveLength(1);
  });

  test('an input that changes nothing is not stored', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    registryWorld.isFailing = true;
    await expect(registryWorld.apply('s', { type: 'wanted' })).resolves.toBe(registryWorld.registry.get('s')?.record);
  });

  test('due work that could not be stored does not wait longer when the clock is set back', async () => {
    const registryWorld = await world();
    const grantId = await addActive(registryWorld);
    registryWorld.engine.tick();
    registryWorld.now += 11 * DAY;
    registryWorld.isFailing = true;
    registryWorld.engine.tick();
    await expect.poll(() => registryWorld.lines.length).toBe(1);
    registryWorld.isFailing = false;
    registryWorld.now -= 4 * DAY;
    registryWorld.engine.tick();
    const renewsAt = registryWorld.registry.get('s')?.record.grants.find(({ id }) => id === grantId)?.renewsAt ?? 0;
    registryWorld.now = renewsAt;
    registryWorld.performed.length = 0;
    registryWorld.engine.tick();
    await expect.poll(() => registryWorld.performed.length).toBe(1);
    expect(registryWorld.performed[0]?.effect.type).toBe('discover');
  });

  test('due work that cannot be stored is logged and retried in a minute', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    registryWorld.isFailing = true;
    registryWorld.now += 11 * DAY;
    registryWorld.engine.tick();
    await expect.poll(() => registryWorld.lines).toHaveLength(1);
    expect(registryWorld.lines[0]).toMatchObject({
      level: 'error',
      event: 'subscription.due-failed',
      fields: { subscription: 's', retriedBy: 'timer' },
    });
    registryWorld.isFailing = false;
    registryWorld.performed.length = 0;
    registryWorld.now += 60_000;
    registryWorld.engine.tick();
    await expect.poll(() => registryWorld.performed.map(({ effect }) => effect.type)).toEqual(['hook', 'discover']);
  });
});

describe('inputs of one subscription', () => {
  test('are applied one at a time, each to the result of the previous input', async () => {
    const registryWorld = await world();
    await registryWorld.registry.add(subscription('s'));
    const records = await Promise.all([
      registryWorld.apply('s', { type: 'wanted' }),
      registryWorld.apply('s', discovered),
      registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' }),
    ]);
    expect(records.map(stateOf)).toEqual(['requested', 'requested', 'unsubscribed']);
  });

  test('can have effects that apply further inputs', async () => {
    const registryWorld = await world();
    let applied: Promise<unknown> = Promise.resolve();
    registryWorld.perform = (_record, { type }) => {
      if (type === 'discover') applied = registryWorld.apply('s', discovered);
    };
    await registryWorld.registry.add(subscription('s'));
    await registryWorld.apply('s', { type: 'wanted' });
    await applied;
    expect(registryWorld.registry.get('s')?.record.grants).toHaveLength(1);
  });

  test('are rejected if there is no such subscription', async () => {
    const registryWorld = await world();
    await expect(registryWorld.apply('nobody', { type: 'wanted' })).rejects.toThrow('There is no subscription nobody');
  });

  test('change nothing if the code no longer has the service, unless the user leaves the subscription', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    const recordBefore = registryWorld.registry.get('s')?.record;
    registryWorld.policy = undefined;
    registryWorld.now += 30 * DAY;
    for (const type of ['wanted', 'due', 'retried', 'renewal-wanted'] as const)
      await expect(registryWorld.apply('s', { type })).resolves.toBe(recordBefore);
    registryWorld.engine.tick();
    expect(registryWorld.registry.get('s')?.record).toBe(recordBefore);
    expect(await registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' })).toMatchObject({
      desired: 'unsubscribed',
      grants: [{ state: 'unsubscribing' }],
    });
    registryWorld.engine.tick();
  });
});

describe('a restart', () => {
  test('L4 loads subscriptions, their callbacks and their counters', async () => {
    const registryWorld = await world();
    const grantId = await addActive(registryWorld);
    registryWorld.registry.get('s')?.counters.received(START);
    await registryWorld.registry.flush();
    const restartedWorld = await world(registryWorld.store);
    await restartedWorld.registry.load();
    expect([...restartedWorld.registry.all()].map(({ record }) => record)).toEqual([
      registryWorld.registry.get('s')?.record,
    ]);
    expect(restartedWorld.registry.match(keyOf(registryWorld, 's'))?.grant.id).toBe(grantId);
    expect(restartedWorld.registry.get('s')?.counters.stats().received).toBe(1);
  });

  test('runs work planned before the clock was set back at once, even for an unwanted subscription', async () => {
    const registryWorld = await world();
    const grantId = await addActive(registryWorld);
    await registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    const restartedWorld = await world(registryWorld.store);
    restartedWorld.now -= 4 * DAY;
    await restartedWorld.registry.load();
    await restartedWorld.registry.apply('s', { type: 'wanted' });
    restartedWorld.engine.tick();
    await expect
      .poll(() => restartedWorld.performed.map(({ effect }) => effect))
      .toEqual([{ type: 'request', grantId, requestId: expect.any(String), mode: 'unsubscribe' }]);
  });

  test('L1 schedules due work again', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    const restartedWorld = await world(registryWorld.store);
    await restartedWorld.registry.load();
    restartedWorld.now += 9 * DAY;
    restartedWorld.engine.tick();
    await expect.poll(() => restartedWorld.performed.map(({ effect }) => effect.type)).toEqual(['discover']);
  });

  test('does nothing for a subscription without a service, but knows its callback', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    const restartedWorld = await world(registryWorld.store);
    restartedWorld.policy = undefined;
    await restartedWorld.registry.load();
    restartedWorld.now += 20 * DAY;
    restartedWorld.engine.tick();
    await restartedWorld.registry.flush();
    expect(restartedWorld.performed).toEqual([]);
    expect(restartedWorld.registry.match(keyOf(registryWorld, 's'))?.stored.record.id).toBe('s');
  });

  test.each([
    ['is no record', 'garbage'],
    ['is of a newer version', { v: 99, data: {} }],
    ['is empty', { v: 1, data: null }],
    ['contains something else', { v: 1, data: { record: { id: 'x' }, stats: {} } }],
    ['lacks its counters', { v: 1, data: { record: { id: 'x', service: 'News', grants: [] }, stats: null } }],
  ])('logs a record that %s, leaves it in the store, and continues', async (_problem, value) => {
    const registryWorld = await world();
    await addActive(registryWorld);
    await registryWorld.store.set('subscription', 'bad', value);
    const restartedWorld = await world(registryWorld.store);
    await restartedWorld.registry.load();
    expect([...restartedWorld.registry.all()]).toHaveLength(1);
    expect(restartedWorld.lines).toMatchObject([{ level: 'error', event: 'subscription.unreadable' }]);
    expect(await registryWorld.store.get('subscription', 'bad')).toEqual(value);
  });
});

describe('counters', () => {
  test('are stored in a batch, and only if they have changed', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    registryWorld.registry.get('s')?.counters.delivered();
    const before = await registryWorld.store.get('subscription', 's');
    await registryWorld.registry.flush();
    expect(await registryWorld.store.get('stats', 's')).toMatchObject({ data: { counts: { delivered: 1 } } });
    expect(await registryWorld.store.get('subscription', 's')).toEqual(before);
    registryWorld.isFailing = true;
    await registryWorld.registry.flush();
  });

  test('are added to those in the record of an earlier version, which never change', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    const raw = await registryWorld.store.get('subscription', 's');
    const { data } = Object(raw);
    const stats = { received: 7, rejected: 1, delivered: 6, failed: 1, lastEventAt: START };
    await registryWorld.store.set('subscription', 's', { ...Object(raw), data: { ...data, stats } });
    for (const run of [1, 2]) {
      const nextWorld = await world(registryWorld.store);
      await nextWorld.registry.load();
      const counters = nextWorld.registry.get('s')?.counters;
      expect(counters?.stats()).toMatchObject({ received: 6 + run, rejected: 1, delivered: 6, failed: 1 });
      counters?.received(START + run);
      await nextWorld.registry.flush();
      // The record is written as well.
      await nextWorld.apply('s', { type: 'content-rejected', failure: failure('unsigned') });
      await nextWorld.registry.flush();
      expect(await nextWorld.store.get('subscription', 's')).toMatchObject({ data: { stats } });
    }
    const lastWorld = await world(registryWorld.store);
    await lastWorld.registry.load();
    expect(lastWorld.registry.get('s')?.counters.stats()).toMatchObject({
      received: 9,
      lastEventAt: new Date(START + 2),
    });
  });

  test('that cannot be read are logged, and start at zero', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    await registryWorld.store.set('stats', 's', { v: 1, data: { counts: { received: 'many' } } });
    const nextWorld = await world(registryWorld.store);
    await nextWorld.registry.load();
    expect(nextWorld.lines).toMatchObject([{ level: 'error', event: 'counters.unreadable' }]);
    expect(nextWorld.registry.get('s')?.counters.stats().received).toBe(0);
  });

  test('are removed with their subscription', async () => {
    const registryWorld = await world();
    await registryWorld.registry.add({ ...subscription('s'), declared: false });
    registryWorld.registry.get('s')?.counters.received(START);
    await registryWorld.registry.flush();
    await registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    expect(await registryWorld.registry.history('s')).toHaveLength(1);
    await registryWorld.registry.sweep(START);
    for (const kind of ['subscription', 'stats', 'history'] as const)
      expect(await registryWorld.store.get(kind, 's')).toBeUndefined();
  });

  test('that could not be stored are stored the next time', async () => {
    const registryWorld = await world();
    await addActive(registryWorld, 's');
    await addActive(registryWorld, 't');
    for (const { counters } of registryWorld.registry.all()) counters.delivered();
    registryWorld.isFailing = true;
    await expect(registryWorld.registry.flush()).rejects.toThrow('the store is down');
    registryWorld.isFailing = false;
    await registryWorld.registry.flush();
    expect(await registryWorld.store.get('stats', 't')).toMatchObject({ data: { counts: { delivered: 1 } } });
  });
});

describe('a tombstone', () => {
  test('C1 is found by its callback until it is swept', async () => {
    const registryWorld = await world();
    const grantId = await addActive(registryWorld);
    const key = keyOf(registryWorld, 's');
    await registryWorld.apply('s', { type: 'unwanted', why: 'shutdown' });
    await registryWorld.apply('s', { type: 'requested', grantId, mode: 'unsubscribe' });
    await registryWorld.apply('s', { type: 'verified', grantId, mode: 'unsubscribe' });
    await registryWorld.registry.sweep(START);
    expect(registryWorld.registry.match(key)?.grant.state).toBe('unsubscribed');
    await registryWorld.registry.sweep(START + 1);
    expect(registryWorld.registry.match(key)).toBeUndefined();
    expect(registryWorld.registry.get('s')?.record).toMatchObject({ grants: [], desired: 'subscribed' });
    expect(await registryWorld.store.get('subscription', 's')).toMatchObject({ data: { record: { grants: [] } } });
  });

  test('C1 N1 is left of a grant with an unsolicited denial once its lease has ended, not before', async () => {
    const registryWorld = await world();
    const grantId = await addActive(registryWorld);
    const key = keyOf(registryWorld, 's');
    registryWorld.now += 10 * DAY - 1_000;
    await registryWorld.apply('s', { type: 'denied', grantId, failure: failure('denied', registryWorld.now) });
    await registryWorld.registry.sweep(registryWorld.now + 1);
    expect(registryWorld.registry.match(key)?.grant.state).toBe('active');
    registryWorld.now += 1_000;
    await registryWorld.apply('s', { type: 'due' });
    expect(registryWorld.registry.match(key)?.grant).toMatchObject({
      state: 'unsubscribed',
      endedAt: registryWorld.now,
    });
    await registryWorld.registry.sweep(registryWorld.now + 1);
    expect(registryWorld.registry.match(key)).toBeUndefined();
  });

  test('is the only kind of grant that a sweep removes', async () => {
    const registryWorld = await world();
    await addActive(registryWorld);
    registryWorld.isFailing = true;
    await registryWorld.registry.sweep(START + 365 * DAY);
    expect(registryWorld.registry.match(keyOf(registryWorld, 's'))?.grant.state).toBe('active');
  });
});

test('S8 the next grant takes over a callback that can serve one grant only', async () => {
  const registryWorld = await world();
  registryWorld.policy = { ...POLICY, newPath: () => 'only' };
  const firstId = await addActive(registryWorld);
  await registryWorld.apply('s', { type: 'links-differ' });
  const { grants } = await registryWorld.apply('s', { ...discovered, hubs: ['https://second-hub.example/'] });
  expect(grants).toHaveLength(1);
  expect(registryWorld.registry.match('only')?.grant).toBe(grants[0]);
  expect(grants[0]?.id).not.toBe(firstId);
});

test('S4 only a grant with PubSubHubbub 0.3 gets a verify token', async () => {
  const registryWorld = await world();
  await addActive(registryWorld, 'websub');
  registryWorld.policy = { ...POLICY, protocol: 'pubsubhubbub-0.3' };
  await addActive(registryWorld, 'old');
  const tokens = ['websub', 'old'].map((id) => registryWorld.registry.get(id)?.record.grants[0]?.verifyToken);
  expect(tokens).toEqual([undefined, expect.stringMatching(/^[\w-]{22}$/)]);
});

test('the lease of a subscription overrides the lease of its service', async () => {
  const registryWorld = await world();
  registryWorld.policy = { ...POLICY, rules: { ...POLICY.rules, leaseSeconds: 864_000 } };
  await registryWorld.registry.add({ ...subscription('s'), overrides: { leaseSeconds: 20 } });
  await registryWorld.apply('s', { type: 'wanted' });
  const { grants } = await registryWorld.apply('s', discovered);
  const grantId = grants[0]?.id ?? '';
  const requested = await registryWorld.apply('s', {
    type: 'requested',
    grantId,
    mode: 'subscribe',
  });
  expect(requested.grants[0]?.pending?.deadline).toBe(START + 2_000);
});

test('N1 the request after an unsolicited denial has a new callback, and the old one still works', async () => {
  const registryWorld = await world();
  const firstId = await addActive(registryWorld);
  const key = keyOf(registryWorld, 's');
  await registryWorld.apply('s', { type: 'denied', grantId: firstId, failure: failure('denied') });
  registryWorld.now += 90_000;
  const { grants } = await registryWorld.apply('s', { type: 'due' });
  expect(grants).toMatchObject([{ id: firstId }, { replaces: firstId, state: 'requested' }]);
  expect(registryWorld.registry.match(callbackKey(grants[1]?.callback ?? ''))?.grant.id).toBe(grants[1]?.id);
  expect(registryWorld.registry.match(key)?.grant.id).toBe(firstId);
  expect(registryWorld.performed.at(-1)?.effect).toEqual({
    type: 'request',
    grantId: grants[1]?.id,
    requestId: grants[1]?.currentRequest,
    mode: 'subscribe',
  });
});

test('N1 the request after an unsolicited denial keeps the callback if there is only one', async () => {
  const registryWorld = await world();
  registryWorld.policy = { ...POLICY, newPath: () => 'only', hasOneCallback: true };
  const firstId = await addActive(registryWorld);
  await registryWorld.apply('s', { type: 'denied', grantId: firstId, failure: failure('denied') });
  registryWorld.now += 90_000;
  const { grants } = await registryWorld.apply('s', { type: 'due' });
  expect(grants).toMatchObject([{ id: firstId, denialCheckedAt: registryWorld.now }]);
  expect(registryWorld.registry.match('only')?.grant.id).toBe(firstId);
});

test('N2 a denial survives a restart, and neither restart nor sweep leads to an earlier request', async () => {
  const registryWorld = await world();
  const grantId = await addActive(registryWorld);
  await registryWorld.apply('s', { type: 'denied', grantId, failure: failure('denied') });
  const restartedWorld = await world(registryWorld.store);
  restartedWorld.now += 10_000;
  await restartedWorld.registry.load();
  await restartedWorld.registry.apply('s', { type: 'wanted' });
  await restartedWorld.registry.sweep(restartedWorld.now);
  restartedWorld.engine.tick();
  expect(restartedWorld.performed).toEqual([]);
  restartedWorld.now += 80_000;
  restartedWorld.engine.tick();
  await expect.poll(() => restartedWorld.performed.map(({ effect }) => effect.type)).toEqual(['request']);
});
