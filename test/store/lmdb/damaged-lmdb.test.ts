import { cpSync, mkdirSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/errors.js';
import { KeyvLmdb } from '../../../src/store/lmdb/lmdb-adapter.js';
import { checkLmdbFile } from '../../../src/store/lmdb/lmdb-file-check.js';
import { openStore } from '../../../src/store/open-store.js';
import { failureOf } from '../../kit/failure-of.js';
import { runFixture } from '../../kit/run-fixture.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

const PAGE_BYTES = 4_096;
const EVENT_COUNT = 25;

const root = temporaryDirectory(afterAll);
const intactPath = join(root, 'intact', 'data.mdb');

/** A store changed many times, with short and long values. Its last pages may be free. */
beforeAll(async () => {
  const store = await openStore(`lmdb://${join(root, 'intact')}`);
  for (let round = 0; round < 3; round += 1) {
    const events = Array.from({ length: EVENT_COUNT }, (_, index) => `e${index}`);
    await Promise.all(events.map((id, index) => store.set('event', id, { body: new Uint8Array(index * 200) })));
  }
  await store.close();
  await setAndRemove(join(root, 'intact'));
});

/** Writes long values and removes them in the same commit, so LMDB never writes their pages. */
async function setAndRemove(directory: string): Promise<void> {
  const adapter = new KeyvLmdb(directory);
  for (let length = 10_000; length < 60_000; length += 10_000) {
    await Promise.all([adapter.set('gone', new Uint8Array(length)), adapter.deleteSoon('gone')]);
  }
  await adapter.disconnect();
}

/**
 * Opens each of the files in another process and returns the outcomes. Reading past the end of a mapped file would kill
 * this one.
 */
async function outcomes(files: ReadonlyMap<string, Buffer>): Promise<ReadonlyMap<string, string>> {
  const stores = mkdtempSync(join(root, 'stores-'));
  for (const [name, bytes] of files) {
    mkdirSync(join(stores, name));
    writeFileSync(join(stores, name, 'data.mdb'), bytes);
  }
  const { line, ended } = runFixture('open-damaged.ts', stores);
  const outcomesByName: [name: string, outcome: string][] = JSON.parse(
    (await line('outcomes ')).slice('outcomes '.length),
  );
  expect(await ended).toBe(0);
  expect(outcomesByName).toHaveLength(files.size);
  return new Map(outcomesByName);
}

/** The outcomes of stores that opened but lost events. */
function openedWithLoss(results: ReadonlyMap<string, string>): readonly string[] {
  return [...results.values()].filter((outcome) => outcome.startsWith('opened') && outcome !== `opened ${EVENT_COUNT}`);
}

const storeError = (directory: string, why: string): RegExp =>
  new RegExp(`^ERR_WEBSUB_STORE: The store lmdb://\\S+ could not be opened: \\S+/${directory}/data.mdb ${why}`);

describe.runIf(process.arch.endsWith('64'))('an LMDB store whose data.mdb', () => {
  test(
    'was truncated at any page throws a StoreError that says so, or has lost nothing',
    { timeout: 60_000 },
    async () => {
      const bytes = readFileSync(intactPath);
      const files = new Map<string, Buffer>();
      for (let size = 0; size <= bytes.length; size += PAGE_BYTES) files.set(`s${size}`, bytes.subarray(0, size));
      files.set('part', bytes.subarray(0, 20 * PAGE_BYTES + 100));
      const results = await outcomes(files);
      const refused = [...results].filter(([, outcome]) => !outcome.startsWith('opened'));
      for (const [name, outcome] of refused) {
        const why = '(is empty|is damaged|is truncated)\\b.*\\. Restore it from a backup, or';
        expect(outcome).toMatch(storeError(name, why));
      }
      expect(openedWithLoss(results)).toEqual([]);
      expect(results.get(`s${bytes.length}`)).toBe(`opened ${EVENT_COUNT}`);
      expect(refused.length).toBeGreaterThan(20);
    },
  );

  test('has garbage in its meta pages throws a StoreError, or has lost nothing', { timeout: 60_000 }, async () => {
    const bytes = readFileSync(intactPath);
    const files = new Map<string, Buffer>();
    const put = (name: string, offset: number, garbage: Buffer): void => {
      const damaged = Buffer.from(bytes);
      garbage.copy(damaged, offset);
      files.set(name, damaged);
    };
    for (const [name, offset] of [
      ['first', 0],
      ['second', PAGE_BYTES],
    ] as const) {
      put(`${name}-zeros`, offset, Buffer.alloc(PAGE_BYTES));
      put(`${name}-ones`, offset, Buffer.alloc(PAGE_BYTES, 0xff));
      put(`${name}-version`, offset + 28, Buffer.from([9]));
      put(`${name}-sizes`, offset + 40, Buffer.alloc(12, 0x77));
      put(`${name}-roots`, offset + 88, Buffer.alloc(56, 0x11));
      put(`${name}-last-page`, offset + 144, Buffer.alloc(8, 0x7f));
    }
    const results = await outcomes(files);
    for (const [name, outcome] of [...results].filter(([, outcome]) => !outcome.startsWith('opened'))) {
      expect(outcome).toMatch(storeError(name, '(is damaged|is not an LMDB database|has LMDB)'));
    }
    expect(openedWithLoss(results)).toEqual([]);
    for (const name of ['first-zeros', 'first-ones', 'first-version', 'second-zeros', 'second-version']) {
      expect(results.get(name)).toMatch(/^ERR_WEBSUB_STORE/);
    }
  });

  test(
    'has garbage in any page after its meta pages throws a StoreError, or has lost nothing',
    { timeout: 60_000 },
    async () => {
      const bytes = readFileSync(intactPath);
      const files = new Map<string, Buffer>();
      for (let offset = 2 * PAGE_BYTES; offset < bytes.length; offset += PAGE_BYTES) {
        const damaged = Buffer.from(bytes);
        damaged.fill(0xa5, offset, offset + PAGE_BYTES);
        files.set(`p${offset}`, damaged);
      }
      const results = await outcomes(files);
      for (const outcome of results.values())
        expect(outcome).toMatch(/^(opened|ERR_WEBSUB_STORE: .*(damaged|could not be))/);
      expect(openedWithLoss(results)).toEqual([]);
      expect([...results.values()].some((outcome) => outcome.includes('is damaged: its page'))).toBe(true);
    },
  );

  test('was written by a process that was killed during writes can be opened', { timeout: 60_000 }, async () => {
    const directory = join(root, 'killed');
    for (let kill = 0; kill < 5; kill += 1) {
      const { child, line, ended } = runFixture('keep-writing.ts', `lmdb://${directory}`);
      await line(`written ${10 + kill * 7}`);
      child.kill('SIGKILL');
      await ended;
      checkLmdbFile(join(directory, 'data.mdb'));
      // LMDB opens a copy like a restored backup: it goes back to the last flush.
      const copy = join(root, `copy-${kill}`);
      cpSync(directory, copy, { recursive: true });
      const store = await openStore(`lmdb://${copy}`);
      expect(await store.get('event', 'e0')).toBeDefined();
      await store.close();
    }
  });
});

test('an LMDB store with a garbage lock.mdb opens as if it had none', async () => {
  const directory = join(root, 'locked');
  cpSync(join(root, 'intact'), directory, { recursive: true });
  for (const garbage of [Buffer.alloc(0), Buffer.alloc(100, 0xff), Buffer.alloc(20_000, 0xa5)]) {
    writeFileSync(join(directory, 'lock.mdb'), garbage);
    const { line, ended } = runFixture('use-and-leave.ts', `lmdb://${directory}`);
    await line('closed');
    expect(await ended).toBe(0);
  }
});

test('an LMDB store with a directory in place of a file cannot be opened, and the StoreError names that file', async () => {
  for (const name of ['data.mdb', 'lock.mdb']) {
    mkdirSync(join(root, `no-${name}`, name), { recursive: true });
    const error = await failureOf(openStore(`lmdb://${join(root, `no-${name}`)}`));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toContain(`${name} is not a file`);
  }
});

test.skipIf(process.getuid?.() === 0)(
  'an LMDB store with an unreadable file cannot be opened, and the StoreError names the reason',
  async () => {
    const directory = join(root, 'secret');
    mkdirSync(directory);
    writeFileSync(join(directory, 'data.mdb'), readFileSync(intactPath), { mode: 0 });
    const error = await failureOf(openStore(`lmdb://${directory}`));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toContain('EACCES');
  },
);

test('an LMDB file that ends before its last page is intact if only free pages are missing', async () => {
  const directory = join(root, 'short');
  const store = await openStore(`lmdb://${directory}`);
  await store.set('event', 'kept', { body: new Uint8Array(5_000) });
  await store.close();
  await setAndRemove(directory);
  const path = join(directory, 'data.mdb');
  const bytes = readFileSync(path);
  const lastPage = Math.max(...[0, PAGE_BYTES].map((meta) => Number(bytes.readBigUInt64LE(meta + 144))));
  expect(bytes.length).toBeLessThan((lastPage + 1) * PAGE_BYTES);
  checkLmdbFile(path);
  truncateSync(path, 3 * PAGE_BYTES);
  expect(() => {
    checkLmdbFile(path);
  }).toThrow(/^is truncated: it has 12288 bytes and needs at least \d+$/);
});

describe.runIf(process.platform === 'linux')('an LMDB store whose data.mdb is truncated while it is open', () => {
  test.each([2 * PAGE_BYTES, 5 * PAGE_BYTES])(
    'to %i bytes refuses every operation, and can be closed',
    async (bytes) => {
      const { line, ended } = runFixture('cut-off-store.ts', join(root, `cut-${bytes}`), String(bytes));
      expect(await line('refused')).toMatch(
        new RegExp(`^refused 6 of 6: The store lmdb://.* to ${bytes} bytes\\. .*backup`),
      );
      await line('closed');
      expect(await ended).toBe(0);
    },
  );

  // LMDB's binding reads the first two pages at exit, so the exit code is not checked.
  test.each([0, PAGE_BYTES])(
    'to %i bytes refuses every operation, and can be closed, but its process may not exit normally',
    async (bytes) => {
      const { line, ended } = runFixture('cut-off-store.ts', join(root, `cut-${bytes}`), String(bytes));
      expect(await line('refused')).toMatch(
        new RegExp(`^refused 6 of 6: The store lmdb://.* to ${bytes} bytes\\. .*backup`),
      );
      await line('closed');
      await ended;
    },
  );
});
