import { describe, expect, test } from 'vitest';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { BareInput } from '../machine/current-ids.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, START, TOPIC } from '../machine/subscription-machine.js';
import { subscription, POLICY, world, type World } from './registry-world.js';

const discovered: BareInput = { type: 'discovered', topic: TOPIC, hubs: [HUB] };
const FIXED = {
  ...POLICY,
  newPath: (isTaken: (callback: string) => boolean) =>
    isTaken(POLICY.callbackOf('news')) ? `news/${crypto.randomUUID()}` : 'news',
};
const LITERAL = { ...POLICY, callbackOf: () => 'http://127.0.0.1/in', newPath: () => '' };

async function addWanted(registryWorld: World, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await registryWorld.registry.add(subscription(id));
    await registryWorld.apply(id, { type: 'wanted' });
  }
}

async function addActive(registryWorld: World, id: string): Promise<string> {
  await addWanted(registryWorld, id);
  const { grants } = await registryWorld.apply(id, discovered);
  const grantId = grants[0]?.id ?? '';
  await registryWorld.apply(id, {
    type: 'requested',
    grantId,
    mode: 'subscribe',
    secret: null,
  });
  await registryWorld.apply(id, { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '864000' });
  await registryWorld.apply(id, { type: 'answered', grantId });
  return grantId;
}

async function resultsOfDue(registryWorld: World, milliseconds: number): Promise<readonly string[]> {
  registryWorld.performed.length = 0;
  registryWorld.now += milliseconds;
  const { grants } = await registryWorld.apply('new', { type: 'due' });
  return [...registryWorld.performed.map(({ effect }) => effect.type), ...grants.map(({ state }) => state)];
}

describe('S8 a fixed path', () => {
  test('goes to one grant only, also while that grant is being stored', async () => {
    const registryWorld = await world();
    registryWorld.policy = FIXED;
    await addWanted(registryWorld, 'a', 'b');
    const records = await Promise.all(['a', 'b'].map((id) => registryWorld.apply(id, discovered)));
    const callbacks = records.map(({ grants }) => grants[0]?.callback ?? '');
    expect(callbacks[0]).toBe('http://127.0.0.1/websub/news');
    expect(callbacks[1]).toMatch(/\/news\/[\w-]{36}$/);
    expect(callbacks.map((callback) => registryWorld.registry.match(callbackKey(callback))?.stored.record.id)).toEqual([
      'a',
      'b',
    ]);
  });

  test('is free again if the grant could not be stored', async () => {
    const registryWorld = await world();
    registryWorld.policy = FIXED;
    await addWanted(registryWorld, 'a', 'b');
    const { record } = registryWorld.registry.get('a') ?? {};
    const discoveryFailed = { type: 'discovery-failed', failure: failure('discovery') } as const;
    registryWorld.isFailing = true;
    // The failure leads to a request with the known hub, so a new grant is to be stored.
    if (record !== undefined) Object.assign(record, { topic: TOPIC, hubs: [HUB] });
    await expect(registryWorld.apply('a', discoveryFailed)).rejects.toThrow('the store is down');
    registryWorld.isFailing = false;
    const { grants } = await registryWorld.apply('b', discovered);
    expect(grants[0]?.path).toBe('news');
  });
});

describe('S6 V3 a literal callback that still serves another subscription', () => {
  async function withNewTarget(): Promise<{ readonly registryWorld: World; readonly oldGrantId: string }> {
    const registryWorld = await world();
    registryWorld.policy = LITERAL;
    const oldGrantId = await addActive(registryWorld, 'old');
    await registryWorld.apply('old', { type: 'unwanted', why: 'unsubscribed' });
    await registryWorld.apply('old', {
      type: 'requested',
      grantId: oldGrantId,
      mode: 'unsubscribe',
    });
    registryWorld.performed.length = 0;
    await addWanted(registryWorld, 'new');
    expect(registryWorld.performed).toEqual([]);
    return { registryWorld, oldGrantId };
  }

  test('stays with the old subscription until that has ended, and then the new subscription is requested', async () => {
    const { registryWorld, oldGrantId } = await withNewTarget();
    expect(await resultsOfDue(registryWorld, 1_000)).toEqual([]);
    expect(registryWorld.registry.match('in')?.stored.record.id).toBe('old');
    await registryWorld.apply('old', { type: 'verified', grantId: oldGrantId, mode: 'unsubscribe' });
    expect(await resultsOfDue(registryWorld, 1_000)).toEqual(['discover']);
    await registryWorld.apply('new', discovered);
    expect(registryWorld.registry.match('in')?.stored.record.id).toBe('new');
  });

  test('is not requested for the new subscription, even after its discovery', async () => {
    const { registryWorld } = await withNewTarget();
    const { grants, nextAttemptAt } = await registryWorld.apply('new', discovered);
    expect({ grants, nextAttemptAt }).toEqual({ grants: [], nextAttemptAt: registryWorld.now + 1_000 });
  });

  test('goes to the new subscription after three failed unsubscribe requests, and stays there', async () => {
    const { registryWorld, oldGrantId } = await withNewTarget();
    const unsubscribe = { grantId: oldGrantId, mode: 'unsubscribe' } as const;
    for (const count of [1, 2, 3]) {
      expect(await resultsOfDue(registryWorld, 1_000)).toEqual([]);
      if (count > 1) {
        registryWorld.now = registryWorld.registry.get('old')?.record.grants[0]?.nextAttemptAt ?? 0;
        await registryWorld.apply('old', { type: 'due' });
        await registryWorld.apply('old', { type: 'requested', ...unsubscribe });
      }
      const { pending } = registryWorld.registry.get('old')?.record.grants[0] ?? {};
      expect(pending?.mode).toBe('unsubscribe');
      await registryWorld.apply('old', { type: 'unreachable', grantId: oldGrantId, failure: failure('unreachable') });
    }
    expect(await resultsOfDue(registryWorld, 1_000)).toEqual(['discover']);
    await registryWorld.apply('new', discovered);
    registryWorld.now += 3_600_000;
    await registryWorld.apply('old', { type: 'due' });
    expect(registryWorld.registry.match('in')?.stored.record.id).toBe('new');
  });

  test('lets the new subscription start when the old lease ends, at the latest', async () => {
    const registryWorld = await world();
    registryWorld.policy = LITERAL;
    await addActive(registryWorld, 'old');
    await addWanted(registryWorld, 'new');
    expect(await resultsOfDue(registryWorld, 60_000)).toEqual([]);
    expect(await resultsOfDue(registryWorld, 10 * DAY)).toEqual(['discover']);
  });

  test('still serves the old subscription after a restart', async () => {
    const { registryWorld } = await withNewTarget();
    const restartedWorld = await world(registryWorld.store);
    restartedWorld.policy = LITERAL;
    await restartedWorld.registry.load();
    expect(restartedWorld.registry.match('in')?.stored.record.id).toBe('old');
    expect(stateOf(restartedWorld.registry.get('new')?.record ?? subscription('none'))).toBe('requested');
  });

  test('goes to another service at once, because nobody would end the old grant', async () => {
    const registryWorld = await world();
    registryWorld.policy = LITERAL;
    await addActive(registryWorld, 'old');
    await registryWorld.registry.add({ ...subscription('other'), service: 'Renamed' });
    await registryWorld.apply('other', { type: 'wanted' });
    await registryWorld.apply('other', discovered);
    expect(registryWorld.registry.match('in')?.stored.record.id).toBe('other');
  });
});

describe('a sweep of tombstones', () => {
  const addUnwanted = async (registryWorld: World, declared: boolean): Promise<void> => {
    await registryWorld.registry.add({ ...subscription('s'), declared });
    await registryWorld.apply('s', { type: 'wanted' });
    const { grants } = await registryWorld.apply('s', discovered);
    await registryWorld.apply('s', {
      type: 'denied',
      grantId: grants[0]?.id ?? '',
      failure: failure('denied'),
    });
    await registryWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
  };

  test('removes an unwanted subscription with its last tombstone', async () => {
    const registryWorld = await world();
    await addUnwanted(registryWorld, false);
    await registryWorld.registry.sweep(START);
    expect(registryWorld.registry.get('s')).toBeDefined();
    await registryWorld.registry.sweep(START + 1);
    expect(registryWorld.registry.get('s')).toBeUndefined();
    expect([...registryWorld.registry.all()]).toEqual([]);
    expect(await registryWorld.store.get('subscription', 's')).toBeUndefined();
  });

  test('keeps an unwanted declared subscription, so that the next start does not request it', async () => {
    const registryWorld = await world();
    await addUnwanted(registryWorld, true);
    await registryWorld.registry.sweep(START + 1);
    expect(registryWorld.registry.get('s')?.record).toMatchObject({ desired: 'unsubscribed', grants: [] });
  });

  test('keeps a wanted subscription', async () => {
    const registryWorld = await world();
    await registryWorld.registry.add({ ...subscription('s'), declared: false });
    await registryWorld.registry.sweep(START + 1);
    expect(registryWorld.registry.get('s')).toBeDefined();
  });
});

describe('the declared flag', () => {
  test('is stored, and stays as it was if the store fails', async () => {
    const registryWorld = await world();
    await addWanted(registryWorld, 's');
    await registryWorld.registry.setDeclared('s', false);
    expect(await registryWorld.store.get('subscription', 's')).toMatchObject({ data: { record: { declared: false } } });
    registryWorld.isFailing = true;
    await registryWorld.registry.setDeclared('s', false);
    await registryWorld.registry.setDeclared('nobody', false);
    await expect(registryWorld.registry.setDeclared('s', true)).rejects.toThrow('the store is down');
    expect(registryWorld.registry.get('s')?.record.declared).toBe(false);
  });
});
