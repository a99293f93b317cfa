import { describe, expect, test } from 'vitest';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, START, TOPIC } from '../machine/life.js';
import { subscription, POLICY, world, type World } from './registry-world.js';

const discovered: TransitionInput = { type: 'discovered', topic: TOPIC, hubs: [HUB] };
const FIXED = {
  ...POLICY,
  newPath: (isTaken: (callback: string) => boolean) =>
    isTaken(POLICY.callbackOf('news')) ? `news/${crypto.randomUUID()}` : 'news',
};
const LITERAL = { ...POLICY, callbackOf: () => 'http://127.0.0.1/in', newPath: () => '' };

async function addWanted(here: World, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await here.registry.add(subscription(id));
    await here.registry.apply(id, { type: 'wanted' });
  }
}

async function addActive(here: World, id: string): Promise<string> {
  await addWanted(here, id);
  const { grants } = await here.registry.apply(id, discovered);
  const grantId = grants[0]?.id ?? '';
  await here.registry.apply(id, { type: 'requested', grantId, requestId: 'r', mode: 'subscribe', secret: null });
  await here.registry.apply(id, { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '864000' });
  await here.registry.apply(id, { type: 'answered', grantId });
  return grantId;
}

async function afterDue(here: World, milliseconds: number): Promise<readonly string[]> {
  here.performed.length = 0;
  here.now += milliseconds;
  const { grants } = await here.registry.apply('new', { type: 'due' });
  return [...here.performed.map(({ effect }) => effect.type), ...grants.map(({ state }) => state)];
}

describe('S8 a fixed path', () => {
  test('goes to one grant only, also while that grant is being stored', async () => {
    const here = await world();
    here.policy = FIXED;
    await addWanted(here, 'a', 'b');
    const records = await Promise.all(['a', 'b'].map((id) => here.registry.apply(id, discovered)));
    const callbacks = records.map(({ grants }) => grants[0]?.callback ?? '');
    expect(callbacks[0]).toBe('http://127.0.0.1/websub/news');
    expect(callbacks[1]).toMatch(/\/news\/[\w-]{36}$/);
    expect(callbacks.map((callback) => here.registry.match(callbackKey(callback))?.stored.record.id)).toEqual([
      'a',
      'b',
    ]);
  });

  test('is free again if the grant could not be stored', async () => {
    const here = await world();
    here.policy = FIXED;
    await addWanted(here, 'a', 'b');
    const { record } = here.registry.get('a') ?? {};
    const failed = { type: 'discovery-failed', failure: failure('discovery') } as const;
    here.isFailing = true;
    // The failure leads to a request with the known hub, so a new grant is to be stored.
    if (record !== undefined) Object.assign(record, { topic: TOPIC, hubs: [HUB] });
    await expect(here.registry.apply('a', failed)).rejects.toThrow('the store is down');
    here.isFailing = false;
    const { grants } = await here.registry.apply('b', discovered);
    expect(grants[0]?.path).toBe('news');
  });
});

describe('S6 V3 a literal callback that still serves another subscription', () => {
  async function withNewTarget(): Promise<{ readonly here: World; readonly old: string }> {
    const here = await world();
    here.policy = LITERAL;
    const old = await addActive(here, 'old');
    await here.registry.apply('old', { type: 'unwanted', why: 'unsubscribed' });
    await here.registry.apply('old', { type: 'requested', grantId: old, requestId: 'u', mode: 'unsubscribe' });
    here.performed.length = 0;
    await addWanted(here, 'new');
    expect(here.performed).toEqual([]);
    return { here, old };
  }

  test('stays with it until that has ended, and then the new one is requested', async () => {
    const { here, old } = await withNewTarget();
    expect(await afterDue(here, 1_000)).toEqual([]);
    expect(here.registry.match('in')?.stored.record.id).toBe('old');
    await here.registry.apply('old', { type: 'verified', grantId: old, mode: 'unsubscribe' });
    expect(await afterDue(here, 1_000)).toEqual(['discover']);
    await here.registry.apply('new', discovered);
    expect(here.registry.match('in')?.stored.record.id).toBe('new');
  });

  test('is not requested for the new one after a discovery meanwhile', async () => {
    const { here } = await withNewTarget();
    const { grants, nextAttemptAt } = await here.registry.apply('new', discovered);
    expect({ grants, nextAttemptAt }).toEqual({ grants: [], nextAttemptAt: here.now + 1_000 });
  });

  test('goes to the new one when the old hub has failed to unsubscribe three times, and stays there', async () => {
    const { here, old } = await withNewTarget();
    for (const requestId of ['u', 'u2', 'u3']) {
      expect(await afterDue(here, 1_000)).toEqual([]);
      const ids = { grantId: old, requestId };
      if (requestId !== 'u') await here.registry.apply('old', { type: 'requested', ...ids, mode: 'unsubscribe' });
      await here.registry.apply('old', { type: 'unreachable', ...ids, failure: failure('unreachable') });
    }
    expect(await afterDue(here, 1_000)).toEqual(['discover']);
    await here.registry.apply('new', discovered);
    here.now += 3_600_000;
    await here.registry.apply('old', { type: 'due' });
    expect(here.registry.match('in')?.stored.record.id).toBe('new');
  });

  test('goes to the new one when the lease ends, at the latest', async () => {
    const here = await world();
    here.policy = LITERAL;
    await addActive(here, 'old');
    await addWanted(here, 'new');
    expect(await afterDue(here, 60_000)).toEqual([]);
    expect(await afterDue(here, 10 * DAY)).toEqual(['discover']);
  });

  test('still serves the other one after a restart, whichever is read first', async () => {
    const { here } = await withNewTarget();
    const again = await world(here.store);
    again.policy = LITERAL;
    await again.registry.load();
    expect(again.registry.match('in')?.stored.record.id).toBe('old');
    expect(stateOf(again.registry.get('new')?.record ?? subscription('none'))).toBe('requested');
  });

  test('goes to another service at once, because nobody would end the old grant', async () => {
    const here = await world();
    here.policy = LITERAL;
    await addActive(here, 'old');
    await here.registry.add({ ...subscription('other'), service: 'Renamed' });
    await here.registry.apply('other', { type: 'wanted' });
    await here.registry.apply('other', discovered);
    expect(here.registry.match('in')?.stored.record.id).toBe('other');
  });
});

describe('an unwanted subscription', () => {
  const addUnwanted = async (here: World, declared: boolean): Promise<void> => {
    await here.registry.add({ ...subscription('s'), declared });
    await here.registry.apply('s', { type: 'wanted' });
    const { grants } = await here.registry.apply('s', discovered);
    await here.registry.apply('s', { type: 'denied', grantId: grants[0]?.id ?? '', failure: failure('denied') });
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
  };

  test('is removed with its last tombstone', async () => {
    const here = await world();
    await addUnwanted(here, false);
    await here.registry.sweep(START);
    expect(here.registry.get('s')).toBeDefined();
    await here.registry.sweep(START + 1);
    expect(here.registry.get('s')).toBeUndefined();
    expect([...here.registry.all()]).toEqual([]);
    expect(await here.store.get('subscription', 's')).toBeUndefined();
  });

  test('stays if the code declares it, so that the next start does not request it', async () => {
    const here = await world();
    await addUnwanted(here, true);
    await here.registry.sweep(START + 1);
    expect(here.registry.get('s')?.record).toMatchObject({ desired: 'unsubscribed', grants: [] });
  });

  test('stays if it is wanted', async () => {
    const here = await world();
    await here.registry.add({ ...subscription('s'), declared: false });
    await here.registry.sweep(START + 1);
    expect(here.registry.get('s')).toBeDefined();
  });
});

describe('the declared flag', () => {
  test('is stored', async () => {
    const here = await world();
    await addWanted(here, 's');
    await here.registry.setDeclared('s', false);
    expect(await here.store.get('subscription', 's')).toMatchObject({ data: { record: { declared: false } } });
    here.isFailing = true;
    await here.registry.setDeclared('s', false);
    await here.registry.setDeclared('nobody', false);
    await expect(here.registry.setDeclared('s', true)).rejects.toThrow('the store is down');
    expect(here.registry.get('s')?.record.declared).toBe(false);
  });
});
