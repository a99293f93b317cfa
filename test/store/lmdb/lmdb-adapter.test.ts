import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import { Keyv } from 'keyv';
import * as vitest from 'vitest';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeyvLmdb } from '../../../src/store/lmdb/lmdb-adapter.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const root = temporaryDirectory(afterAll);
const opened: KeyvLmdb[] = [];

function openIn(name: string, now?: () => number): KeyvLmdb {
  const adapter = new KeyvLmdb(join(root, name), { now });
  opened.push(adapter);
  return adapter;
}

afterAll(async () => {
  await closeAll();
});

async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((adapter) => adapter.disconnect()));
}

describe("Keyv's own suite for storage adapters", () => {
  // Registered before the suite's hooks, so it runs after them.
  afterEach(closeAll);
  keyvTestSuite(vitest, Keyv, () => openIn('suite'));
});

describe("Keyv's own suite for iterators", () => {
  afterEach(closeAll);
  // Keyv iterates only over dialects it knows, so pretend to be one of them.
  keyvIteratorTests(vitest, Keyv, () => {
    const adapter = openIn('iterators');
    Object.assign(adapter.opts, { dialect: 'sqlite' });
    return adapter;
  });
});

describe('the LMDB adapter', () => {
  let time = 1_000;
  let adapter: KeyvLmdb;

  beforeEach(async () => {
    time = 1_000;
    adapter = openIn('plain', () => time);
    await adapter.clear();
  });

  afterEach(closeAll);

  test('bytes stay bytes, anywhere in a value', async () => {
    await adapter.set('k', { body: new Uint8Array([0, 255]), list: [new Uint8Array([1])] });
    const value = await adapter.get<{ body: Uint8Array }>('k');
    expect(value).toEqual({ body: Buffer.from([0, 255]), list: [Buffer.from([1])] });
  });

  test('a value with a ttl is readable until it expires, and then removed', async () => {
    await adapter.set('k', 'v', 500);
    time = 1_500;
    expect(await adapter.get('k')).toBe('v');
    expect(await adapter.has('k')).toBe(true);
    time = 1_501;
    expect(await adapter.has('k')).toBe(false);
    expect([...adapter.keys()]).toEqual(['k']);
    expect(await adapter.get('k')).toBeUndefined();
    expect([...adapter.keys()]).toEqual([]);
  });

  test('an iteration skips expired rows, and removes them', async () => {
    await adapter.set('n:old', 1, 10);
    await adapter.set('n:new', 2);
    time = 2_000;
    const rows = [];
    for await (const row of adapter.iterator('n')) rows.push(row);
    expect(rows).toEqual([['n:new', 2]]);
    await vitest.vi.waitFor(() => {
      expect([...adapter.keys()]).toEqual(['n:new']);
    });
  });

  test('an iteration skips rows removed meanwhile', async () => {
    await Promise.all(['a', 'b', 'c'].map((key) => adapter.set(key, key)));
    const rows = [];
    for await (const [key] of adapter.iterator()) {
      rows.push(key);
      await adapter.delete('b');
    }
    expect(rows).toEqual(['a', 'c']);
  });

  test('many keys are read and removed together', async () => {
    await adapter.set('a', 1);
    await adapter.set('b', 2);
    expect(await adapter.getMany(['a', 'nothing', 'b'])).toEqual([1, undefined, 2]);
    expect(await adapter.deleteMany(['a', 'nothing'])).toBe(true);
    expect(await adapter.deleteMany(['a', 'nothing'])).toBe(false);
    expect(await adapter.get('b')).toBe(2);
  });

  test('deleteSoon removes a key with the next write, or on disconnect at the latest', async () => {
    await Promise.all(['a', 'b', 'c'].map((key) => adapter.set(key, key)));
    const removed = adapter.deleteSoon('a');
    await adapter.set('d', 'd');
    expect([...adapter.keys()]).toEqual(['b', 'c', 'd']);
    await removed;
    // In the order of the calls, even within one commit.
    await Promise.all([adapter.deleteSoon('c'), adapter.set('c', 'new')]);
    expect(await adapter.get('c')).toBe('new');
    const last = ['b', 'none'].map((key) => adapter.deleteSoon(key));
    await adapter.disconnect();
    await Promise.all(last);
    expect([...openIn('plain').keys()]).toEqual(['c', 'd']);
  });

  test('more keys than fit on one page are listed in order, limited to the prefix', async () => {
    const keys = Array.from({ length: 1_300 }, (_, index) => `n:${String(index).padStart(4, '0')}`);
    await Promise.all([...keys, 'n', 'm:1', 'n;1', 'o:1'].map((key) => adapter.set(key, 1)));
    expect([...adapter.keys('n:')]).toEqual(keys);
    adapter.namespace = 'n';
    await adapter.clear();
    expect([...adapter.keys()]).toEqual(['m:1', 'n', 'n;1', 'o:1']);
  });

  test('an exchange sees no expired row, changes nothing if it throws, and can keep or delete the row', async () => {
    await adapter.set('k', 'old', 10);
    time = 2_000;
    await adapter.exchange('k', (current) => ({ set: [current] }));
    expect(await adapter.get('k')).toEqual([undefined]);
    const refusal = new Error('no');
    const refused = adapter.exchange('k', () => {
      throw refusal;
    });
    await expect(refused).rejects.toBe(refusal);
    await adapter.exchange('k', () => 'keep');
    expect(await adapter.get('k')).toEqual([undefined]);
    await adapter.exchange('k', () => 'delete');
    expect(await adapter.has('k')).toBe(false);
  });

  test('a hundred concurrent exchanges lose no increment', async () => {
    const increments = Array.from({ length: 100 }, () =>
      adapter.exchange('n', (current) => ({ set: Number(current ?? 0) + 1 })),
    );
    await Promise.all(increments);
    expect(await adapter.get('n')).toBe(100);
  });

  test('a directory with a dot in its name is created as a directory', () => {
    openIn('data.v1');
    expect(existsSync(join(root, 'data.v1', 'data.mdb'))).toBe(true);
  });

  test('an expired row that cannot be removed emits an error event, not an unhandled rejection', async () => {
    const failing = new KeyvLmdb(join(root, 'closing'), { now: () => time });
    const errorEvent = new Promise<unknown>((resolve) => failing.on('error', resolve));
    await failing.set('n:k', 1, 10);
    time = 5_000;
    failing.delete = () => Promise.reject(new Error('disk full'));
    for await (const entry of failing.iterator('n')) expect(entry).toBe('nothing');
    expect(await errorEvent).toEqual(new Error('disk full'));
    await failing.disconnect();
  });
});

test('the adapter makes its files private to their owner, in a directory that others may read', () => {
  mkdirSync(join(root, 'shared'), { mode: 0o755 });
  openIn('shared');
  const modes = ['data.mdb', 'lock.mdb'].map((name) => statSync(join(root, 'shared', name)).mode & 0o777);
  expect(modes).toEqual([0o600, 0o600]);
});
