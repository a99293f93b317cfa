import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KeyvLmdb } from '../../../src/store/lmdb/lmdb-adapter.js';
import { checkLmdbFile } from '../../../src/store/lmdb/lmdb-file-check.js';
import { openStore } from '../../../src/store/open-store.js';
import { runFixture } from '../../kit/run-fixture.js';

const PAGE = 4_096;
const EVENTS = 25;

const root = mkdtempSync(join(tmpdir(), 'websub-damaged-'));
const intact = join(root, 'intact', 'data.mdb');

/** A store that was changed many times, with short values and long ones. Its last pages may be free. */
beforeAll(async () => {
  const store = await openStore(`lmdb://${join(root, 'intact')}`);
  for (let round = 0; round < 3; round += 1) {
    const events = Array.from({ length: EVENTS }, (_, index) => `e${index}`);
    await Promise.all(events.map((id, index) => store.set('event', id, { body: new Uint8Array(index * 200) })));
  }
  await store.close();
  await setAndRemove(join(root, 'intact'));
});

/** Writes long values and removes them in the same commit: LMDB then never writes the pages it took for them. */
async function setAndRemove(directory: string): Promise<void> {
  const adapter = new KeyvLmdb(directory);
  for (let length = 10_000; length < 60_000; length += 10_000) {
    await Promise.all([adapter.set('gone', new Uint8Array(length)), adapter.deleteSoon('gone')]);
  }
  await adapter.disconnect();
}

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** What opening each of the files comes to, in a process of its own: reading behind the end of a mapped file would end it. */
async function outcomes(files: ReadonlyMap<string, Buffer>): Promise<ReadonlyMap<string, string>> {
  const stores = mkdtempSync(join(root, 'stores-'));
  for (const [name, bytes] of files) {
    mkdirSync(join(stores, name));
    writeFileSync(join(stores, name, 'data.mdb'), bytes);
  }
  const { line, ended } = runFixture('open-damaged.ts', stores);
  const told: [name: string, how: string][] = JSON.parse((await line('outcomes ')).slice('outcomes '.length));
  expect(await ended).toBe(0);
  expect(told).toHaveLength(files.size);
  return new Map(told);
}

/** Stores that were opened and have lost events. */
function openedWithLoss(results: ReadonlyMap<string, string>): readonly string[] {
  return [...results.values()].filter((how) => how.startsWith('opened') && how !== `opened ${EVENTS}`);
}

const storeError = (directory: string, why: string): RegExp =>
  new RegExp(`^ERR_WEBSUB_STORE: The store lmdb://\\S+ could not be opened: \\S+/${directory}/data.mdb ${why}`);

describe.runIf(process.arch.endsWith('64'))('an LMDB store whose data.mdb', () => {
  test('was cut off at any page is a StoreError that says so, or has lost nothing', { timeout: 60_000 }, async () => {
    const bytes = readFileSync(intact);
    const files = new Map<string, Buffer>();
    for (let size = 0; size <= bytes.length; size += PAGE) files.set(`s${size}`, bytes.subarray(0, size));
    files.set('part', bytes.subarray(0, 20 * PAGE + 100));
    const results = await outcomes(files);
    const refused = [...results].filter(([, how]) => !how.startsWith('opened'));
    for (const [name, how] of refused) {
      const why = '(is empty|is damaged|is cut off)\\b.*\\. Restore it from a backup, or';
      expect(how).toMatch(storeError(name, why));
    }
    expect(openedWithLoss(results)).toEqual([]);
    expect(results.get(`s${bytes.length}`)).toBe(`opened ${EVENTS}`);
    expect(refused.length).toBeGreaterThan(20);
  });

  test('has garbage in its meta pages is a StoreError, or has lost nothing', { timeout: 60_000 }, async () => {
    const bytes = readFileSync(intact);
    const files = new Map<string, Buffer>();
    const put = (name: string, offset: number, garbage: Buffer): void => {
      const damaged = Buffer.from(bytes);
      garbage.copy(damaged, offset);
      files.set(name, damaged);
    };
    for (const [name, offset] of [
      ['first', 0],
      ['second', PAGE],
    ] as const) {
      put(`${name}-zeros`, offset, Buffer.alloc(PAGE));
      put(`${name}-ones`, offset, Buffer.alloc(PAGE, 0xff));
      put(`${name}-version`, offset + 28, Buffer.from([9]));
      put(`${name}-sizes`, offset + 40, Buffer.alloc(12, 0x77));
      put(`${name}-roots`, offset + 88, Buffer.alloc(56, 0x11));
      put(`${name}-last-page`, offset + 144, Buffer.alloc(8, 0x7f));
    }
    const results = await outcomes(files);
    for (const [name, how] of [...results].filter(([, told]) => !told.startsWith('opened'))) {
      expect(how).toMatch(storeError(name, '(is damaged|is not a database of LMDB|has LMDB)'));
    }
    expect(openedWithLoss(results)).toEqual([]);
    for (const name of ['first-zeros', 'first-ones', 'first-version', 'second-zeros', 'second-version']) {
      expect(results.get(name)).toMatch(/^ERR_WEBSUB_STORE/);
    }
  });

  test(
    'has garbage in any page that is in use is a StoreError, or cannot read that value alone',
    { timeout: 60_000 },
    async () => {
      const bytes = readFileSync(intact);
      const files = new Map<string, Buffer>();
      for (let offset = 2 * PAGE; offset < bytes.length; offset += PAGE) {
        const damaged = Buffer.from(bytes);
        damaged.fill(0xa5, offset, offset + PAGE);
        files.set(`p${offset}`, damaged);
      }
      const results = await outcomes(files);
      for (const how of results.values()) expect(how).toMatch(/^(opened|ERR_WEBSUB_STORE: .*(damaged|could not be))/);
      expect([...results.values()].some((how) => how.includes('is damaged: its page'))).toBe(true);
    },
  );

  test('was left by a kill in the middle of writing is opened', { timeout: 60_000 }, async () => {
    const directory = join(root, 'killed');
    for (let kill = 0; kill < 5; kill += 1) {
      const { child, line, ended } = runFixture('keep-writing.ts', `lmdb://${directory}`);
      await line(`written ${10 + kill * 7}`);
      child.kill('SIGKILL');
      await ended;
      checkLmdbFile(join(directory, 'data.mdb'));
      // As a backup would find it after the machine was started again: LMDB goes back to what was flushed.
      const copy = join(root, `copy-${kill}`);
      cpSync(directory, copy, { recursive: true });
      const store = await openStore(`lmdb://${copy}`);
      expect(await store.get('event', 'e0')).toBeDefined();
      await store.close();
    }
  });
});

test('an LMDB store with another lock.mdb is opened as if it had none', async () => {
  const directory = join(root, 'locked');
  cpSync(join(root, 'intact'), directory, { recursive: true });
  for (const garbage of [Buffer.alloc(0), Buffer.alloc(100, 0xff), Buffer.alloc(20_000, 0xa5)]) {
    writeFileSync(join(directory, 'lock.mdb'), garbage);
    const { line, ended } = runFixture('use-and-leave.ts', `lmdb://${directory}`);
    await line('closed');
    expect(await ended).toBe(0);
  }
});

test('an LMDB store with a directory in the place of a file is a StoreError', async () => {
  for (const name of ['data.mdb', 'lock.mdb']) {
    mkdirSync(join(root, `no-${name}`, name), { recursive: true });
    await expect(openStore(`lmdb://${join(root, `no-${name}`)}`)).rejects.toThrow(`${name} is not a file`);
  }
});

test.skipIf(process.getuid?.() === 0)('an LMDB store with a file that may not be read is a StoreError', async () => {
  const directory = join(root, 'secret');
  mkdirSync(directory);
  writeFileSync(join(directory, 'data.mdb'), readFileSync(intact), { mode: 0 });
  await expect(openStore(`lmdb://${directory}`)).rejects.toThrow('EACCES');
});

test('a file of LMDB that is shorter than its last page is whole where those pages are free', async () => {
  const directory = join(root, 'short');
  const store = await openStore(`lmdb://${directory}`);
  await store.set('event', 'kept', { body: new Uint8Array(5_000) });
  await store.close();
  await setAndRemove(directory);
  const path = join(directory, 'data.mdb');
  const bytes = readFileSync(path);
  const lastPage = Math.max(...[0, PAGE].map((meta) => Number(bytes.readBigUInt64LE(meta + 144))));
  expect(bytes.length).toBeLessThan((lastPage + 1) * PAGE);
  checkLmdbFile(path);
  truncateSync(path, 3 * PAGE);
  expect(() => {
    checkLmdbFile(path);
  }).toThrow(/^is cut off: it has 12288 bytes, and \d+ or more are in use$/);
});

describe.runIf(process.platform === 'linux')('an LMDB store whose data.mdb is cut off while it is open', () => {
  test.each([2 * PAGE, 5 * PAGE])('to %i bytes refuses every operation, and can be closed', async (bytes) => {
    const { line, ended } = runFixture('cut-off-store.ts', join(root, `cut-${bytes}`), String(bytes));
    expect(await line('refused')).toMatch(
      new RegExp(`^refused 6 of 6: The store lmdb://.* now has ${bytes}\\. Stop, restore`),
    );
    await line('closed');
    expect(await ended).toBe(0);
  });

  // LMDB's binding reads the first two pages when the process exits.
  test.each([0, PAGE])('to %i bytes refuses every operation, and lives until the process exits', async (bytes) => {
    const { line, ended } = runFixture('cut-off-store.ts', join(root, `cut-${bytes}`), String(bytes));
    expect(await line('refused')).toMatch(
      new RegExp(`^refused 6 of 6: The store lmdb://.* now has ${bytes}\\. Stop, restore`),
    );
    await line('closed');
    await ended;
  });
});
