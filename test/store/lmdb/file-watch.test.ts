import { copyFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { FileWatch } from '../../../src/store/lmdb/file-watch.js';
import { OPEN_FILE_PROBLEM } from '../../../src/store/lmdb/lmdb-file-error.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';

describe('FileWatch', () => {
  let directory: string;
  let path: string;
  let now: number;
  let reports: (string | undefined)[];
  let watch: FileWatch;

  beforeEach(() => {
    directory = temporaryDirectory();
    path = join(directory, 'data.mdb');
    writeFileSync(path, 'x'.repeat(1_000));
    now = 0;
    reports = [];
    watch = new FileWatch(path, {
      onProblem: (problem) => reports.push(problem && `${problem.message} (${problem.refused})`),
      now: () => now,
    });
  });

  const checkUsable = (): void => {
    watch.assertUsable();
  };
  const wait = (milliseconds = 10): void => {
    now += milliseconds;
  };

  test('checks the file at most every 10 ms before operations, and after each commit', () => {
    rmSync(path);
    expect(checkUsable).not.toThrow();
    wait(9);
    expect(checkUsable).not.toThrow();
    expect(() => {
      watch.assertNotLost();
    }).toThrow(`${path} no longer exists. Restore it, or restart with an empty store`);
    expect(checkUsable).toThrow(OPEN_FILE_PROBLEM.missing(path));
  });

  test('allows growth, and refuses a truncated file for good', () => {
    truncateSync(path, 5_000);
    wait();
    checkUsable();
    expect(watch.isTruncated).toBe(false);
    truncateSync(path, 4_999);
    wait();
    expect(checkUsable).toThrow(
      `${path} was truncated from 5000 to 4999 bytes. Stop the service, restore a backup, and start again`,
    );
    truncateSync(path, 9_000);
    wait();
    expect(checkUsable).toThrow(OPEN_FILE_PROBLEM.truncated(path, 5_000n, 4_999n));
    expect(watch.isTruncated).toBe(true);
  });

  test('refuses until the original file is back; another file in its place is not accepted', () => {
    const movedPath = join(directory, 'moved');
    renameSync(path, movedPath);
    wait();
    expect(checkUsable).toThrow(OPEN_FILE_PROBLEM.missing(path));
    copyFileSync(movedPath, path);
    wait();
    expect(checkUsable).toThrow(
      `${path} was replaced by another file. Restore the original file, or restart to use the new one`,
    );
    renameSync(movedPath, path);
    expect(watch.problem).toBe(OPEN_FILE_PROBLEM.replaced(path));
    wait();
    expect(watch.problem).toBeUndefined();
    expect(checkUsable).not.toThrow();
    expect(reports).toEqual([
      `${OPEN_FILE_PROBLEM.missing(path)} (0)`,
      expect.stringContaining(OPEN_FILE_PROBLEM.replaced(path)),
      undefined,
    ]);
  });

  test('reports a file as gone when its directory became a file', () => {
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    wait();
    expect(checkUsable).toThrow(OPEN_FILE_PROBLEM.missing(path));
  });

  test('reports a missing file at once, then once a minute with the number of refused operations', () => {
    rmSync(path);
    for (let count = 0; count < 130; count += 1) {
      wait(1_000);
      expect(checkUsable).toThrow(OPEN_FILE_PROBLEM.missing(path));
    }
    expect(reports.map((line) => line?.replace(/.*\(/, '('))).toEqual(['(0)', '(61)', '(60)']);
  });
});
