import { describe, expect, test } from 'vitest';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, START, TOPIC } from '../machine/life.js';
import { subscription, TERMS, world, type World } from './registry-world.js';

const discovered: SubscriptionEvent = { type: 'discovered', topic: TOPIC, hubs: [HUB] };

async function granted(here: World, id = 's'): Promise<string> {
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
  test('a record is in the store before its effects begin', async () => {
    const here = await world();
    const grantId = await granted(here);
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

  test('what would be found again is stored with the next change, or in a batch', async () => {
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

  test('what cannot be stored has not happened: nothing changes, and nothing begins', async () => {
    const here = await world();
    await granted(here);
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

  test('what changes nothing is not stored', async () => {
    const here = await world();
    await granted(here);
    here.isFailing = true;
    await expect(here.registry.apply('s', { type: 'wanted' })).resolves.toBe(here.registry.get('s')?.record);
  });

  test('due work that could not be stored does not wait for the same hour again when the clock is set back', async () => {
    const here = await world();
    const grantId = await granted(here);
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

  test('due work that cannot be stored is logged and tried again in a minute', async () => {
    const here = await world();
    await granted(here);
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
  test('are applied one at a time, each to what the one before has left', async () => {
    const here = await world();
    await here.registry.add(subscription('s'));
    const all = await Promise.all([
      here.registry.apply('s', { type: 'wanted' }),
      here.registry.apply('s', discovered),
      here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' }),
    ]);
    expect(all.map(stateOf)).toEqual(['requested', 'requested', 'unsubscribed']);
  });

  test('may have effects that are events of it', async () => {
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

  test('of one that is not there are an error', async () => {
    const here = await world();
    await expect(here.registry.apply('nobody', { type: 'wanted' })).rejects.toThrow('There is no subscription nobody');
  });

  test('of a service that the code no longer has change nothing', async () => {
    const here = await world();
    await granted(here);
    const before = here.registry.get('s')?.record;
    here.terms = undefined;
    await expect(here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' })).resolves.toBe(before);
  });
});

describe('a restart', () => {
  test('L4 finds subscriptions, their callbacks and their counters again', async () => {
    const here = await world();
    const grantId = await granted(here);
    here.registry.get('s')?.counters.received(START);
    await here.registry.flush();
    const again = await world(here.store);
    await again.registry.load();
    expect([...again.registry.all()].map(({ record }) => record)).toEqual([here.registry.get('s')?.record]);
    expect(again.registry.match(keyOf(here, 's'))?.grant.id).toBe(grantId);
    expect(again.registry.get('s')?.counters.stats().received).toBe(1);
  });

  test('has due at once what was put off by a clock that has been set back since, also where it is not wanted', async () => {
    const before = await world();
    const grantId = await granted(before);
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

  test('L1 has due work in its timetable again', async () => {
    const here = await world();
    await granted(here);
    const again = await world(here.store);
    await again.registry.load();
    again.now += 9 * DAY;
    again.engine.tick();
    await expect.poll(() => again.performed.map(({ effect }) => effect.type)).toEqual(['discover']);
  });

  test('leaves what belongs to no service alone, and knows its callback', async () => {
    const here = await world();
    await granted(here);
    const again = await world(here.store);
    again.terms = undefined;
    await again.registry.load();
    again.now += 20 * DAY;
    again.engine.tick();
    await again.registry.flush();
    expect(again.performed).toEqual([]);
    expect(again.registry.match(keyOf(here, 's'))?.stored.record.id).toBe('s');
  });

  test.each([
    ['is no record of ours', 'garbage'],
    ['is of a newer version', { v: 99, data: {} }],
    ['holds nothing', { v: 1, data: null }],
    ['holds something else', { v: 1, data: { record: { id: 'x' }, stats: {} } }],
    ['lacks its counters', { v: 1, data: { record: { id: 'x', service: 'News', grants: [] }, stats: null } }],
  ])('logs a record that %s, leaves it, and goes on', async (_what, value) => {
    const here = await world();
    await granted(here);
    await here.store.set('subscription', 'bad', value);
    const again = await world(here.store);
    await again.registry.load();
    expect([...again.registry.all()]).toHaveLength(1);
    expect(again.lines).toMatchObject([{ level: 'error', message: expect.stringMatching(/left as it is/) }]);
    expect(await here.store.get('subscription', 'bad')).toEqual(value);
  });
});

describe('counters', () => {
  test('are stored with the next record, or in a batch, and not where nothing changed', async () => {
    const here = await world();
    await granted(here);
    here.registry.get('s')?.counters.delivered();
    await here.registry.flush();
    expect(await here.store.get('subscription', 's')).toMatchObject({ data: { stats: { delivered: 1 } } });
    here.isFailing = true;
    await here.registry.flush();
  });

  test('that cannot be stored are stored the next time, and those of others meanwhile', async () => {
    const here = await world();
    await granted(here, 's');
    await granted(here, 't');
    for (const { counters } of here.registry.all()) counters.delivered();
    here.isFailing = true;
    await expect(here.registry.flush()).rejects.toThrow('the store is down');
    here.isFailing = false;
    await here.registry.flush();
    expect(await here.store.get('subscription', 't')).toMatchObject({ data: { stats: { delivered: 1 } } });
  });
});

describe('a tombstone', () => {
  test('C1 is known by its callback until it is swept', async () => {
    const here = await world();
    const grantId = await granted(here);
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

  test('C1 N1 is what was denied unasked, once its lease has ended, and not before', async () => {
    const here = await world();
    const grantId = await granted(here);
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

  test('sweeping leaves what is in use', async () => {
    const here = await world();
    await granted(here);
    here.isFailing = true;
    await here.registry.sweep(START + 365 * DAY);
    expect(here.registry.match(keyOf(here, 's'))?.grant.state).toBe('active');
  });
});

test('S8 a callback that can serve one grant only is taken over by the next', async () => {
  const here = await world();
  here.terms = { ...TERMS, newPath: () => 'only' };
  const first = await granted(here);
  const { grants } = await here.registry.apply('s', { ...discovered, hubs: ['https://second-hub.example/'] });
  expect(grants).toHaveLength(1);
  expect(here.registry.match('only')?.grant).toBe(grants[0]);
  expect(grants[0]?.id).not.toBe(first);
});

test('S4 a verify token is made for PubSubHubbub 0.3 alone', async () => {
  const here = await world();
  await granted(here, 'websub');
  here.terms = { ...TERMS, protocol: 'pubsubhubbub-0.3' };
  await granted(here, 'old');
  const tokens = ['websub', 'old'].map((id) => here.registry.get(id)?.record.grants[0]?.verifyToken);
  expect(tokens).toEqual([undefined, expect.stringMatching(/^[\w-]{22}$/)]);
});

test('the lease asked for with a subscription is used instead of its service’s', async () => {
  const here = await world();
  here.terms = { ...TERMS, rules: { ...TERMS.rules, leaseSeconds: 864_000 } };
  await here.registry.add({ ...subscription('s'), overrides: { leaseSeconds: 20 } });
  await here.registry.apply('s', { type: 'wanted' });
  const { grants } = await here.registry.apply('s', discovered);
  const grantId = grants[0]?.id ?? '';
  const asked = await here.registry.apply('s', { type: 'requested', grantId, requestId: 'r', mode: 'subscribe' });
  expect(asked.grants[0]?.pending?.deadline).toBe(START + 2_000);
});

test('N1 the question after an unasked denial has a callback of its own, and the old one is still known', async () => {
  const here = await world();
  const first = await granted(here);
  const key = keyOf(here, 's');
  await here.registry.apply('s', { type: 'denied', grantId: first, failure: failure('denied') });
  here.now += 90_000;
  const { grants } = await here.registry.apply('s', { type: 'due' });
  expect(grants).toMatchObject([{ id: first }, { replaces: first, state: 'requested' }]);
  expect(here.registry.match(callbackKey(grants[1]?.callback ?? ''))?.grant.id).toBe(grants[1]?.id);
  expect(here.registry.match(key)?.grant.id).toBe(first);
  expect(here.performed.at(-1)?.effect).toEqual({ type: 'request', grantId: grants[1]?.id, mode: 'subscribe' });
});

test('N1 the question under the one callback there is to give keeps it', async () => {
  const here = await world();
  here.terms = { ...TERMS, newPath: () => 'only', hasOneCallback: true };
  const first = await granted(here);
  await here.registry.apply('s', { type: 'denied', grantId: first, failure: failure('denied') });
  here.now += 90_000;
  const { grants } = await here.registry.apply('s', { type: 'due' });
  expect(grants).toMatchObject([{ id: first, denialCheckedAt: here.now }]);
  expect(here.registry.match('only')?.grant.id).toBe(first);
});

test('N2 a denial is still known after a restart, and neither it nor a sweep has the hub asked sooner', async () => {
  const here = await world();
  const grantId = await granted(here);
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
