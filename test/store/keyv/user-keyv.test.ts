import { Keyv } from 'keyv';
import { describe, expect, test, vi } from 'vitest';
import { ConfigurationError, StoreError } from '../../../src/errors.js';
import { openStore } from '../../../src/store/open-store.js';
import { failureOf } from '../../kit/failure-of.js';

describe("a user's Keyv", () => {
  test('with a ttl throws a ConfigurationError that says what to change', async () => {
    const error = await failureOf(openStore(new Keyv({ ttl: 5_000 })));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/\bttl\b.*\b5000 ms/);
  });

  test('that cannot list its keys throws a ConfigurationError that says what to change', async () => {
    const map = new Map<string, unknown>();
    const adapter = {
      get: map.get.bind(map),
      set: map.set.bind(map),
      delete: map.delete.bind(map),
      clear: map.clear.bind(map),
    };
    const error = await failureOf(openStore(new Keyv({ store: adapter })));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/cannot list its keys.* has no iterator\(\)\. Use an adapter that has one/);
  });

  test('that is no Keyv throws a ConfigurationError', async () => {
    for (const nonsense of [{}, 7, null]) {
      // @ts-expect-error neither a Keyv nor a string
      const error = await failureOf(openStore(nonsense));
      expect(error).toBeInstanceOf(ConfigurationError);
    }
  });

  test('stays open, keeps its other keys, and is as durable as its adapter', async () => {
    const keyv = new Keyv({ namespace: 'app' });
    await keyv.set('mine', 1);
    await keyv.set('other:event:e', 'not ours');
    const disconnect = vi.spyOn(keyv, 'disconnect');
    const store = await openStore(keyv);
    expect(store.durable).toBe(false);
    expect(store.location).toBe('a Keyv over Map');
    await store.set('event', 'e', 1);
    const ids = [];
    for await (const [id] of store.list('event')) ids.push(id);
    expect(ids).toEqual(['e']);
    await store.close();
    expect(disconnect).not.toHaveBeenCalled();
    expect(await keyv.get('mine')).toBe(1);
    expect(await keyv.get('websub:event:e')).toBe('1');
  });

  test('is set to throw, so an outage is a StoreError, not an absent record', async () => {
    const { adapter, outage } = failingAdapter();
    const keyv = new Keyv({ store: adapter });
    const store = await openStore(keyv);
    expect(keyv.throwOnErrors).toBe(true);
    expect(adapter.throwOnErrors).toBe(true);
    outage.isOn = true;
    for (const attempt of [store.get('event', 'e'), store.set('event', 'e', 1), store.delete('event', 'e')]) {
      const error = await failureOf(attempt);
      expect(error).toBeInstanceOf(StoreError);
      expect(error.message).toMatch(/^The record event e could not be \w+ in a Keyv over Adapter: connection lost$/);
    }
    const listing = async (): Promise<void> => {
      for await (const entry of store.list('event')) expect(entry).toBe('never');
    };
    expect((await failureOf(listing())).message).toMatch(
      /^The event records could not be listed in .*: connection lost$/,
    );
  });

  test('throws a StoreError when its set returns false', async () => {
    const { adapter } = failingAdapter();
    adapter.set = () => Promise.resolve(false);
    const store = await openStore(new Keyv({ store: adapter }));
    const error = await failureOf(store.set('event', 'e', 1));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/: the store refused the write$/);
  });

  test('throws when its iteration ends early with an error event', async () => {
    const { adapter, emitError } = failingAdapter();
    const store = await openStore(new Keyv({ store: adapter }));
    await store.set('event', 'a', 1);
    const originalIterator = adapter.iterator.bind(adapter);
    adapter.iterator = async function* () {
      emitError(new Error('a hiccup'));
      yield* originalIterator();
      emitError(new Error('Iterator failed'));
    };
    const ids: string[] = [];
    const listing = async (): Promise<void> => {
      for await (const [id] of store.list('event')) ids.push(id);
    };
    expect((await failureOf(listing())).message).toMatch(/could not be listed in .*: Iterator failed$/);
    expect(ids).toEqual(['a']);
    adapter.iterator = originalIterator;
    await listing();
    expect(ids).toEqual(['a', 'a']);
  });

  test('with a row that is no record names that row, and lists all records', async () => {
    const map = new Map<string, unknown>();
    const store = await openStore(new Keyv(map));
    await store.set('event', 'a', 1);
    map.set('keyv:websub:event:bad', 'not JSON');
    map.set('keyv:websub:event:number', '{"value":7}');
    map.set('keyv:websub:event:gone', undefined);
    map.set('keyv:websub:event:%zz', 'not ours');
    await store.set('event', 'z', 26);
    const reported: string[] = [];
    const ids: string[] = [];
    for await (const [id] of store.list('event', { onUnreadable: ({ message }) => reported.push(message) }))
      ids.push(id);
    expect(ids).toEqual(['a', 'z']);
    expect(reported).toEqual([
      expect.stringContaining('The record event bad could not be read'),
      expect.stringContaining('The record event number could not be read'),
      expect.stringContaining('The record event %zz could not be read'),
    ]);
    expect((await failureOf(store.get('event', 'number'))).message).toContain('is not the text of a record');
  });

  test('lists each record once when its iteration repeats rows', async () => {
    const { adapter } = failingAdapter();
    const store = await openStore(new Keyv({ store: adapter }));
    for (const id of ['a', 'b']) await store.set('event', id, id);
    adapter.iterator = async function* () {
      for (const id of ['a', 'b', 'a', 'b', 'a']) {
        const key = `keyv:websub:event:${id}`;
        yield [key, await adapter.get(key)];
      }
    };
    for (let listing = 0; listing < 2; listing += 1) {
      const entries = [];
      for await (const entry of store.list('event')) entries.push(entry);
      expect(entries).toEqual([
        ['a', 'a'],
        ['b', 'b'],
      ]);
    }
  });

  test('that never answers fails within the timeout when it is opened, read and listed', async () => {
    const { adapter } = failingAdapter();
    const store = await openStore(new Keyv({ store: adapter }), { timeoutMs: 30 });
    const never = new Promise<never>(() => {});
    adapter.get = () => never;
    adapter.iterator = async function* () {
      yield await never;
    };
    expect((await failureOf(store.get('event', 'e'))).message).toMatch(/: no answer within 30 ms$/);
    const listing = async (): Promise<void> => {
      for await (const entry of store.list('event')) expect(entry).toBe('never');
    };
    expect((await failureOf(listing())).message).toMatch(/could not be listed .*: no answer within 30 ms$/);
    const error = await failureOf(openStore(new Keyv({ store: adapter }), { timeoutMs: 30 }));
    expect(error.message).toBe('The store a Keyv over Adapter could not be opened: no answer within 30 ms');
  });
});

/** A Map as an adapter that behaves like a faulty database server. */
function failingAdapter() {
  class Adapter extends Map<string, unknown> {}
  const rows = new Map<string, unknown>();
  const outage = { isOn: false };
  const listeners = new Set<(error: unknown) => void>();
  const attempt = <T>(act: () => T): Promise<T> =>
    outage.isOn ? Promise.reject(new Error('connection lost')) : Promise.resolve(act());
  const adapter = {
    constructor: Adapter,
    opts: { dialect: 'redis', url: 'redis://nowhere' },
    throwOnErrors: false,
    get: (key: string): Promise<unknown> => attempt(() => rows.get(key)),
    set: (key: string, value: unknown): Promise<boolean> => attempt(() => rows.set(key, value) === rows),
    delete: (key: string): Promise<boolean> => attempt(() => rows.delete(key)),
    clear: (): Promise<void> => attempt(() => rows.clear()),
    async *iterator(): AsyncGenerator<[string, unknown]> {
      for (const row of await attempt(() => [...rows])) yield row;
    },
    on: (_event: string, listener: (error: unknown) => void) => listeners.add(listener),
    off: (_event: string, listener: (error: unknown) => void) => listeners.delete(listener),
  };
  const emitError = (error: unknown): void => {
    for (const listener of listeners) listener(error);
  };
  return { adapter, outage, emitError };
}
