import { describe, expect, test } from 'vitest';
import { START, TOPIC } from '../machine/subscription-machine.js';
import { subscription, world, type World } from './registry-world.js';

const FIELDS = { service: 'News', target: TOPIC, declared: false, overrides: undefined } as const;
const TARGET = { service: 'News', target: TOPIC };

const ids = ({ registry }: World): readonly string[] => [...registry.all()].map(({ record }) => record.id);

describe('create()', () => {
  test('creates one subscription, however many callers create it at the same time', async () => {
    const registryWorld = await world();
    const results = await Promise.all([1, 2, 3].map(() => registryWorld.registry.create(FIELDS)));
    expect(results.map(({ isCreated }) => isCreated)).toEqual([true, false, false]);
    expect(new Set(results.map(({ record }) => record.id))).toEqual(new Set(ids(registryWorld)));
    expect(ids(registryWorld)).toHaveLength(1);
    expect(registryWorld.registry.idOf(TARGET)).toBe(ids(registryWorld)[0]);
  });

  test('keeps subscriptions of other services and hubs apart', async () => {
    const { registry } = await world();
    const fields = [FIELDS, { ...FIELDS, service: 'Blog' }, { ...FIELDS, target: { hub: TOPIC, topic: TOPIC } }];
    const results = await Promise.all(fields.map((each) => registry.create(each)));
    expect(results.every(({ isCreated }) => isCreated)).toBe(true);
  });

  test('leaves the target free if the store fails, for a caller that waits as well', async () => {
    const registryWorld = await world();
    registryWorld.isFailing = true;
    const first = registryWorld.registry.create(FIELDS);
    const second = registryWorld.registry.create(FIELDS);
    await expect(first).rejects.toThrow('the store is down');
    await expect(second).rejects.toThrow('the store is down');
    expect(registryWorld.registry.idOf(TARGET)).toBeUndefined();
    registryWorld.isFailing = false;
    expect((await registryWorld.registry.create(FIELDS)).isCreated).toBe(true);
  });

  test('finds the subscriptions of an earlier run under their ids', async () => {
    const first = await world();
    await first.registry.add(subscription('an old id'));
    const second = await world(first.store);
    await second.registry.load();
    expect(await second.registry.create(FIELDS)).toMatchObject({ isCreated: false, record: { id: 'an old id' } });
  });

  test('gives a subscription that was forgotten and made again another id', async () => {
    const registryWorld = await world();
    const { record } = await registryWorld.registry.create(FIELDS);
    await registryWorld.apply(record.id, { type: 'unwanted', why: 'unsubscribed' });
    await registryWorld.registry.sweep(START);
    expect(registryWorld.registry.idOf(TARGET)).toBeUndefined();
    const again = await registryWorld.registry.create(FIELDS);
    expect(again.isCreated).toBe(true);
    expect(again.record.id).not.toBe(record.id);
  });
});

test('an update that changes nothing is no promise, and one that waits for another is', async () => {
  const registryWorld = await world();
  const { record } = await registryWorld.registry.create(FIELDS);
  const { registry } = registryWorld;
  expect(registry.update(record.id, { type: 'denial-answered', grantId: 'gone' })).toMatchObject({ isChanged: false });
  const wanted = registry.update(record.id, { type: 'wanted' });
  const waiting = registry.update(record.id, { type: 'denial-answered', grantId: 'gone' });
  expect(wanted).toBeInstanceOf(Promise);
  expect(waiting).toBeInstanceOf(Promise);
  expect(await wanted).toMatchObject({ isChanged: true });
  expect(await waiting).toMatchObject({ isChanged: false });
});
