import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectionLimit, openFilesLimit } from '../../../src/http/listen/connection-limit.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

test.each([
  [10_000, undefined, 10_000],
  [10_000, 1_048_576, 10_000],
  [10_000, 10_512, 10_000],
  [10_000, 10_511, 9_999],
  [10_000, 1_024, 512],
  [100, 1_024, 100],
  // Subtracting 512 would leave none.
  [10_000, 256, 64],
  [10_000, 1, 1],
])('C6 a limit of %s connections, with %s open files, becomes %s', (configured, openFiles, limit) => {
  expect(connectionLimit(configured, openFiles)).toBe(limit);
});

test('the limit of open files is the soft limit of /proc/self/limits, if the file can be read', async () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'limits');
  const limits = async (text: string): Promise<number | undefined> => {
    await writeFile(path, text);
    return openFilesLimit(path);
  };
  const head = 'Limit                     Soft Limit           Hard Limit           Units     \n';
  const line = 'Max open files            1024                 524288               files     \n';
  expect(await limits(`${head}Max processes             7000  7000  processes\n${line}`)).toBe(1024);
  expect(await limits(`${head}Max open files            unlimited  unlimited  files\n`)).toBe(undefined);
  expect(await limits('nonsense')).toBe(undefined);
  expect(openFilesLimit(join(directory, 'no such file'))).toBe(undefined);
});
