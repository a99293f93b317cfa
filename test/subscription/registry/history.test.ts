import { expect, test } from 'vitest';
import { failure, HUB, START, TOPIC } from '../machine/subscription-machine.js';
import { subscription, world, type World } from './registry-world.js';

async function requestedWorld(): Promise<World> {
  const registryWorld = await world();
  await registryWorld.registry.add(subscription('s'));
  await registryWorld.apply('s', { type: 'wanted' });
  await registryWorld.apply('s', { type: 'discovered', topic: TOPIC, hubs: [HUB] });
  await registryWorld.apply('s', {
    type: 'requested',
    grantId: grantId(registryWorld),
    mode: 'subscribe',
    secret: null,
  });
  return registryWorld;
}

const grantId = ({ registry }: World): string => registry.get('s')?.record.grants[0]?.id ?? '';

const eventsOf = async ({ registry }: World): Promise<readonly string[]> =>
  (await registry.history('s')).map(({ event }) => event);

test('the hooks of a transition are in the history when they are emitted', async () => {
  const registryWorld = await requestedWorld();
  expect(await eventsOf(registryWorld)).toEqual(['requested']);
  const ids = { grantId: grantId(registryWorld) };
  await registryWorld.apply('s', { type: 'accepted', ...ids, hub: HUB, moved: false });
  await registryWorld.apply('s', { type: 'verified', ...ids, mode: 'subscribe', leaseSeconds: '600' });
  expect(await registryWorld.registry.history('s')).toEqual([
    { at: START, event: 'verified', grant: ids.grantId, hub: HUB },
  ]);
});

test('the history continues after a restart', async () => {
  const registryWorld = await requestedWorld();
  const nextWorld = await world(registryWorld.store);
  await nextWorld.registry.load();
  const ids = { grantId: grantId(nextWorld) };
  await nextWorld.apply('s', { type: 'denied', ...ids, failure: failure('denied') });
  await nextWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
  expect(await eventsOf(nextWorld)).toEqual(['denied', 'unsubscribed']);
});

test('a history is not read at start', async () => {
  const registryWorld = await requestedWorld();
  const kinds: string[] = [];
  const { store } = registryWorld;
  const nextWorld = await world({
    ...store,
    get: (kind, id) => {
      kinds.push(kind);
      return store.get(kind, id);
    },
    list: (kind, options) => {
      kinds.push(kind);
      return store.list(kind, options);
    },
  });
  await nextWorld.registry.load();
  expect(kinds).toEqual(['subscription', 'stats']);
});

test('a transition that cannot be stored leaves no entry', async () => {
  const registryWorld = await requestedWorld();
  registryWorld.isFailing = true;
  await expect(registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' })).rejects.toThrow(
    'the store is down',
  );
  registryWorld.isFailing = false;
  expect(await eventsOf(registryWorld)).toEqual(['requested']);
});

test('a damaged history is logged and begins anew, and the transition is stored', async () => {
  const registryWorld = await requestedWorld();
  await registryWorld.store.set('history', 's', { v: 1, data: { entries: [{ event: 7 }] } });
  const nextWorld = await world(registryWorld.store);
  await nextWorld.registry.load();
  await nextWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
  expect(nextWorld.lines).toMatchObject([
    { level: 'warn', event: 'history.unreadable', fields: { subscription: 's' } },
  ]);
  expect(await eventsOf(nextWorld)).toEqual(['unsubscribed']);
});
