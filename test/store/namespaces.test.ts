import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../src/errors.js';
import { KeyvLmdb } from '../../src/store/lmdb/lmdb-adapter.js';
import { openStore } from '../../src/store/open-store.js';
import { acquireOwnerLock } from '../../src/store/owner/owner-lock.js';
import type { RecordStore } from '../../src/store/record-store.js';
import { sealedStore } from '../../src/store/sealing/sealed-store.js';
import { answers, mysql, postgres, redis } from '../contract/servers.js';
import { failureOf } from '../kit/failure-of.js';
import { runFixture } from '../kit/run-fixture.js';
import { sealKey } from './sealing/seal-keys.js';
import { temporaryDirectory } from '../kit/temporary-directory.js';

const directory = temporaryDirectory(afterAll);

const lockOptions = { now: Date.now, onLost: () => undefined, settleMs: 0 };

/** Unique per run, so that runs on one server do not conflict. */
const runId = randomBytes(6).toString('hex');

async function openForTest(uri: string): Promise<RecordStore> {
  const store = await openStore(uri, { directory });
  onTestFinished(async () => {
    for await (const [id] of store.list('subscription')) await store.delete('subscription', id);
    await store.close();
  });
  return store;
}

async function idsIn(store: RecordStore): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const [id] of store.list('subscription')) ids.push(id);
  return ids.toSorted();
}

const STORES = [
  { name: 'LMDB', uri: `lmdb://${directory}/shared`, isAvailable: true },
  { name: redis.name, uri: redis.uri, isAvailable: await answers(redis) },
  { name: postgres.name, uri: postgres.uri, isAvailable: await answers(postgres) },
  { name: mysql.name, uri: mysql.uri, isAvailable: await answers(mysql) },
];

describe.each(STORES)('namespaces of one store in $name', ({ uri, isAvailable }) => {
  const uriOf = (name: string): string => `${uri}?namespace=${runId}${name}`;

  test.runIf(isAvailable).each([
    ['a', 'b'],
    ['a', 'a.b'],
    ['News', 'news'],
    ['a_b', 'axb'],
    ['a-b', 'a.b'],
  ])('"%s" and "%s" have separate records', async (firstName, secondName) => {
    const [first, second] = [await openForTest(uriOf(firstName)), await openForTest(uriOf(secondName))];
    await first.set('subscription', 's', { from: firstName });
    expect(await second.get('subscription', 's')).toBeUndefined();
    expect(await idsIn(second)).toEqual([]);
    await second.set('subscription', 's', { from: secondName });
    await second.set('subscription', 'further', { from: secondName });
    expect(await first.get('subscription', 's')).toEqual({ from: firstName });
    expect([await idsIn(first), await idsIn(second)]).toEqual([['s'], ['further', 's']]);
    await second.delete('subscription', 's');
    expect(await first.get('subscription', 's')).toEqual({ from: firstName });
  });

  test.runIf(isAvailable)('appear in the location, and in the error of a store in use', async () => {
    const [first, second, sameAsFirst] = [
      await openForTest(uriOf('a')),
      await openForTest(uriOf('b')),
      await openForTest(uriOf('a')),
    ];
    expect(first.location).toMatch(new RegExp(`\\?namespace=${runId}a$`));
    const locks = [await acquireOwnerLock(first, lockOptions), await acquireOwnerLock(second, lockOptions)];
    const error = await failureOf(acquireOwnerLock(sameAsFirst, lockOptions));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(new RegExp(`^The store \\S+\\?namespace=${runId}a is in use by this process `));
    await Promise.all(locks.map((lock) => lock.release()));
  });

  test.runIf(isAvailable)(
    'have separate owners in two processes, and one works on after the other process is killed',
    async () => {
      const { child, line, ended } = runFixture('own-store.ts', uriOf('theirs'));
      onTestFinished(() => void child.kill('SIGKILL'));
      await line('owner: ');
      const [store, theirs] = [await openForTest(uriOf('ours')), await openForTest(uriOf('theirs'))];
      const lock = await acquireOwnerLock(store, lockOptions);
      expect((await failureOf(acquireOwnerLock(theirs, lockOptions))).message).toContain(
        `is in use by another process (pid ${child.pid} on `,
      );
      await store.set('subscription', 's', { from: 'ours' });
      child.kill('SIGKILL');
      await ended;
      await store.set('subscription', 't', { from: 'ours' });
      expect(await idsIn(store)).toEqual(['s', 't']);
      await (await acquireOwnerLock(theirs, lockOptions)).release();
      await lock.release();
    },
  );

  test.runIf(isAvailable)('keep working when another namespace in this process is closed', async () => {
    const [first, second] = [await openForTest(uriOf('a')), await openStore(uriOf('b'), { directory })];
    await second.set('subscription', 's', { from: 'b' });
    await second.delete('subscription', 's');
    await second.close();
    await first.set('subscription', 's', { from: 'a' });
    expect(await first.get('subscription', 's')).toEqual({ from: 'a' });
  });
});

describe('the default namespace', () => {
  test('has the name websub, which its keys start with', async () => {
    const store = await openForTest('lmdb://default');
    await store.set('subscription', 's', { from: 'before' });
    const adapter = new KeyvLmdb(join(directory, 'default'));
    onTestFinished(() => adapter.disconnect());
    expect([...adapter.keys()]).toEqual(['websub:subscription:s']);
    expect(await (await openForTest('lmdb://default?namespace=websub')).get('subscription', 's')).toEqual({
      from: 'before',
    });
    expect(await idsIn(await openForTest('lmdb://default?namespace=other'))).toEqual([]);
  });
});

describe('namespaces of one LMDB directory', () => {
  test('can be sealed with different keys', async () => {
    const one = sealedStore(await openForTest('lmdb://sealed?namespace=one'), [sealKey(1)]);
    const two = sealedStore(await openForTest('lmdb://sealed?namespace=two'), [sealKey(2)]);
    const plain = await openForTest('lmdb://sealed?namespace=plain');
    for (const store of [one.records, two.records, plain]) await store.set('subscription', 's', { secret: 'x' });
    for (const store of [one.records, two.records, plain]) {
      expect(await store.get('subscription', 's')).toEqual({ secret: 'x' });
      expect(await idsIn(store)).toEqual(['s']);
    }
    expect([one.stale.subscription.size, two.stale.subscription.size]).toEqual([0, 0]);
  });

  test('are cleared separately', async () => {
    const [one, two] = [
      await openForTest('lmdb://cleared?namespace=one'),
      await openForTest('lmdb://cleared?namespace=two'),
    ];
    for (const store of [one, two]) await store.set('subscription', 's', { secret: 'x' });
    const adapter = new KeyvLmdb(join(directory, 'cleared'));
    onTestFinished(() => adapter.disconnect());
    adapter.namespace = 'one';
    await adapter.clear();
    expect([await idsIn(one), await idsIn(two)]).toEqual([[], ['s']]);
  });

  test('can be written by one process while another process is killed during its writes', async () => {
    const uri = `lmdb://${directory}/killed`;
    const store = await openForTest(`${uri}?namespace=steady`);
    for (let round = 0; round < 3; round += 1) {
      const { child, line, ended } = runFixture('keep-writing.ts', `${uri}?namespace=victim`);
      await line('written 2');
      const writing = Array.from({ length: 50 }, (_, index) =>
        store.set('subscription', `s${index}`, { round, bytes: new Uint8Array(500) }),
      );
      child.kill('SIGKILL');
      expect(await ended).toBe('SIGKILL');
      await Promise.all(writing);
      expect(await store.get('subscription', 's49')).toMatchObject({ round });
    }
    expect(await idsIn(store)).toHaveLength(50);
  });
});
