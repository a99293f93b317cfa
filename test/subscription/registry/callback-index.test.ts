import { describe, expect, test } from 'vitest';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { stateOf } from '../../../src/subscription/machine/state.js';
import { DAY, failure, HUB, START, TOPIC } from '../machine/life.js';
import { subscription, TERMS, world, type World } from './registry-world.js';

const discovered: SubscriptionEvent = { type: 'discovered', topic: TOPIC, hubs: [HUB] };
const FIXED = {
  ...TERMS,
  newPath: (isTaken: (callback: string) => boolean) =>
    isTaken(TERMS.callbackOf('news')) ? `news/${crypto.randomUUID()}` : 'news',
};
const LITERAL = { ...TERMS, callbackOf: () => 'http://127.0.0.1/in', newPath: () => '' };

async function begun(here: World, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await here.registry.add(subscription(id));
    await here.registry.apply(id, { type: 'wanted' });
  }
}

async function granted(here: World, id: string): Promise<string> {
  await begun(here, id);
  const { grants } = await here.registry.apply(id, discovered);
  const grantId = grants[0]?.id ?? '';
  await here.registry.apply(id, { type: 'requested', grantId, requestId: 'r', mode: 'subscribe', secret: null });
  await here.registry.apply(id, { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '864000' });
  await here.registry.apply(id, { type: 'answered', grantId });
  return grantId;
}

async function afterNext(here: World, milliseconds: number): Promise<readonly string[]> {
  here.performed.length = 0;
  here.now += milliseconds;
  const { grants } = await here.registry.apply('new', { type: 'due' });
  return [...here.performed.map(({ effect }) => effect.type), ...grants.map(({ state }) => state)];
}

describe('S8 a fixed path', () => {
  test('is given once, also to subscriptions that ask for it while the first is being stored', async () => {
    const here = await world();
    here.terms = FIXED;
    await begun(here, 'a', 'b');
    const records = await Promise.all(['a', 'b'].map((id) => here.registry.apply(id, discovered)));
    const callbacks = records.map(({ grants }) => grants[0]?.callback ?? '');
    expect(callbacks[0]).toBe('http://127.0.0.1/websub/news');
    expect(callbacks[1]).toMatch(/\/news\/[\w-]{36}$/);
    expect(callbacks.map((callback) => here.registry.match(callbackKey(callback))?.stored.record.id)).toEqual([
      'a',
      'b',
    ]);
  });

  test('is free again where the grant could not be stored', async () => {
    const here = await world();
    here.terms = FIXED;
    await begun(here, 'a', 'b');
    const { record } = here.registry.get('a') ?? {};
    const denied = { type: 'discovery-failed', failure: failure('discovery') } as const;
    here.isFailing = true;
    // It asks what was known before, and tells that the attempt failed: that is stored first.
    if (record !== undefined) Object.assign(record, { topic: TOPIC, hubs: [HUB] });
    await expect(here.registry.apply('a', denied)).rejects.toThrow('the store is down');
    here.isFailing = false;
    const { grants } = await here.registry.apply('b', discovered);
    expect(grants[0]?.path).toBe('news');
  });
});

describe('S6 V3 a literal callback that serves another subscription still', () => {
  async function changed(): Promise<{ readonly here: World; readonly old: string }> {
    const here = await world();
    here.terms = LITERAL;
    const old = await granted(here, 'old');
    await here.registry.apply('old', { type: 'unwanted', why: 'unsubscribed' });
    const told = { grantId: old, requestId: 'u', mode: 'unsubscribe' } as const;
    await here.registry.apply('old', { type: 'requested', ...told });
    here.performed.length = 0;
    await begun(here, 'new');
    expect(here.performed).toEqual([]);
    return { here, old };
  }

  test('stays with it until that is over, and then the new one is asked for', async () => {
    const { here, old } = await changed();
    expect(await afterNext(here, 1_000)).toEqual([]);
    expect(here.registry.match('in')?.stored.record.id).toBe('old');
    await here.registry.apply('old', { type: 'verified', grantId: old, mode: 'unsubscribe' });
    expect(await afterNext(here, 1_000)).toEqual(['discover']);
    await here.registry.apply('new', discovered);
    expect(here.registry.match('in')?.stored.record.id).toBe('new');
  });

  test('is not asked for by what was discovered meanwhile', async () => {
    const { here } = await changed();
    const { grants, nextAttemptAt } = await here.registry.apply('new', discovered);
    expect({ grants, nextAttemptAt }).toEqual({ grants: [], nextAttemptAt: here.now + 1_000 });
  });

  test('goes to the new one when the old hub has failed to let go three times, and stays there', async () => {
    const { here, old } = await changed();
    for (const requestId of ['u', 'u2', 'u3']) {
      expect(await afterNext(here, 1_000)).toEqual([]);
      const told = { grantId: old, requestId };
      if (requestId !== 'u') await here.registry.apply('old', { type: 'requested', ...told, mode: 'unsubscribe' });
      await here.registry.apply('old', { type: 'unreachable', ...told, failure: failure('unreachable') });
    }
    expect(await afterNext(here, 1_000)).toEqual(['discover']);
    await here.registry.apply('new', discovered);
    here.now += 3_600_000;
    await here.registry.apply('old', { type: 'due' });
    expect(here.registry.match('in')?.stored.record.id).toBe('new');
  });

  test('goes to the new one when the lease is over at the latest', async () => {
    const here = await world();
    here.terms = LITERAL;
    await granted(here, 'old');
    await begun(here, 'new');
    expect(await afterNext(here, 60_000)).toEqual([]);
    expect(await afterNext(here, 10 * DAY)).toEqual(['discover']);
  });

  test('is found there after a restart, whichever is read first', async () => {
    const { here } = await changed();
    const again = await world(here.store);
    again.terms = LITERAL;
    await again.registry.load();
    expect(again.registry.match('in')?.stored.record.id).toBe('old');
    expect(stateOf(again.registry.get('new')?.record ?? subscription('none'))).toBe('requested');
  });

  test('goes to another service at once: nobody would end what the first has left', async () => {
    const here = await world();
    here.terms = LITERAL;
    await granted(here, 'old');
    await here.registry.add({ ...subscription('other'), service: 'Renamed' });
    await here.registry.apply('other', { type: 'wanted' });
    await here.registry.apply('other', discovered);
    expect(here.registry.match('in')?.stored.record.id).toBe('other');
  });
});

describe('what nobody wants any more', () => {
  const unwanted = async (here: World, declared: boolean): Promise<void> => {
    await here.registry.add({ ...subscription('s'), declared });
    await here.registry.apply('s', { type: 'wanted' });
    const { grants } = await here.registry.apply('s', discovered);
    await here.registry.apply('s', { type: 'denied', grantId: grants[0]?.id ?? '', failure: failure('denied') });
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
  };

  test('is forgotten with its last tombstone', async () => {
    const here = await world();
    await unwanted(here, false);
    await here.registry.sweep(START);
    expect(here.registry.get('s')).toBeDefined();
    await here.registry.sweep(START + 1);
    expect(here.registry.get('s')).toBeUndefined();
    expect([...here.registry.all()]).toEqual([]);
    expect(await here.store.get('subscription', 's')).toBeUndefined();
  });

  test('is kept where the code declares it: it is not to be asked for at the next start', async () => {
    const here = await world();
    await unwanted(here, true);
    await here.registry.sweep(START + 1);
    expect(here.registry.get('s')?.record).toMatchObject({ desired: 'unsubscribed', grants: [] });
  });

  test('is kept where it is wanted', async () => {
    const here = await world();
    await here.registry.add({ ...subscription('s'), declared: false });
    await here.registry.sweep(START + 1);
    expect(here.registry.get('s')).toBeDefined();
  });
});

describe('whether the code declares it', () => {
  test('is stored', async () => {
    const here = await world();
    await begun(here, 's');
    await here.registry.setDeclared('s', false);
    expect(await here.store.get('subscription', 's')).toMatchObject({ data: { record: { declared: false } } });
    here.isFailing = true;
    await here.registry.setDeclared('s', false);
    await here.registry.setDeclared('nobody', false);
    await expect(here.registry.setDeclared('s', true)).rejects.toThrow('the store is down');
    expect(here.registry.get('s')?.record.declared).toBe(false);
  });
});
