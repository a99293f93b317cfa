import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { prepareLmdbDirectory } from '../../../src/store/lmdb/lmdb-directory.js';
import { FILE_PROBLEM } from '../../../src/store/lmdb/lmdb-file-error.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

vi.mock(import('node:fs'), async (original) => {
  const fs = await original();
  return { ...fs, writeFileSync: vi.fn<typeof fs.writeFileSync>(fs.writeFileSync) };
});

describe('the directory of an LMDB store', () => {
  let root: string;
  let directory: string;

  beforeEach(() => {
    root = temporaryDirectory();
    directory = join(root, 'store');
  });

  const createDatabase = async (): Promise<string> => {
    const opened = open(directory, { noSubdir: false });
    await opened.put('key', 'value');
    await opened.close();
    return join(directory, 'data.mdb');
  };

  test('is created with only a .gitignore that keeps it out of Git', () => {
    prepareLmdbDirectory(directory);
    prepareLmdbDirectory(directory);
    expect(readdirSync(directory)).toEqual(['.gitignore']);
    expect(readFileSync(join(directory, '.gitignore'), 'utf8')).toBe('*\n');
  });

  test('gets no .gitignore when it existed before, and neither do created parents', () => {
    mkdirSync(directory);
    prepareLmdbDirectory(directory);
    expect(readdirSync(directory)).toEqual([]);
    prepareLmdbDirectory(join(directory, 'a', 'b'));
    expect(readdirSync(directory)).toEqual(['a']);
    expect(readdirSync(join(directory, 'a'))).toEqual(['b']);
  });

  test('keeps the .gitignore that its user wrote', () => {
    prepareLmdbDirectory(directory);
    writeFileSync(join(directory, '.gitignore'), '!keep\n');
    prepareLmdbDirectory(directory);
    expect(readFileSync(join(directory, '.gitignore'), 'utf8')).toBe('!keep\n');
  });

  test('is created even if its .gitignore cannot be written', () => {
    vi.mocked(writeFileSync).mockImplementationOnce(() => {
      throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
    });
    prepareLmdbDirectory(directory);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is created with missing parents, private to its user', () => {
    const deep = join(directory, 'a', 'b');
    prepareLmdbDirectory(deep);
    expect(statSync(deep).mode & 0o777).toBe(0o700);
  });

  test('is refused when a file is in its way', () => {
    writeFileSync(directory, '');
    expect(() => prepareLmdbDirectory(join(directory, 'below'))).toThrow(`${directory} is not a directory`);
  });

  test.runIf(process.platform === 'linux')('is refused when the file system cannot create it', () => {
    expect(() => prepareLmdbDirectory('/proc/websub/store')).toThrow('ENOENT');
  });

  test('may contain a database, which stays unchanged', async () => {
    const path = await createDatabase();
    const bytesBefore = readFileSync(path);
    prepareLmdbDirectory(directory);
    expect(readFileSync(path).equals(bytesBefore)).toBe(true);
  });

  test.runIf(process.arch.endsWith('64'))(
    'is refused when its data.mdb is not an intact database of LMDB',
    async () => {
      const path = await createDatabase();
      const intact = readFileSync(path);
      const expectRefused = (bytes: string | Buffer, why: string): void => {
        writeFileSync(path, bytes);
        expect(() => {
          prepareLmdbDirectory(directory);
        }).toThrow(`${path} ${why}. Restore it from a backup, or move it away to start with an empty store`);
      };
      expectRefused('', 'is empty (delete it if no service ever used this store)');
      expectRefused('short', FILE_PROBLEM.truncatedMetaPages);
      expectRefused(intact.subarray(0, 4_200), FILE_PROBLEM.truncatedMetaPages);
      expectRefused(intact.subarray(0, 5_000), 'is truncated: it has 5000 bytes and needs at least 12288');
      expectRefused(
        'x'.repeat(20_000),
        'is not an LMDB database, or is damaged: its first meta page has no LMDB signature',
      );
      intact.writeUInt16LE(1, 28);
      expectRefused(intact, 'has LMDB format 1; this package reads format 2');
    },
  );

  test('is refused when its lock.mdb is a directory', () => {
    mkdirSync(join(directory, 'lock.mdb'), { recursive: true });
    expect(() => {
      prepareLmdbDirectory(directory);
    }).toThrow('lock.mdb is not a file');
  });
});
