import { copyFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileWatch } from '../../../src/store/lmdb/file-watch.js';

describe('a file that is watched', () => {
  let directory: string;
  let path: string;
  let now: number;
  let told: (string | undefined)[];
  let watch: FileWatch;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'websub-watch-'));
    path = join(directory, 'data.mdb');
    writeFileSync(path, 'x'.repeat(1_000));
    now = 0;
    told = [];
    watch = new FileWatch(path, {
      onProblem: (problem) => told.push(problem && `${problem.message} (${problem.refused})`),
      now: () => now,
    });
  });

  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  const refuse = (): void => {
    watch.assertUsable();
  };
  const wait = (milliseconds = 10): void => {
    now += milliseconds;
  };

  test('is looked at every ten milliseconds at most before an operation, and after each commit', () => {
    rmSync(path);
    expect(refuse).not.toThrow();
    wait(9);
    expect(refuse).not.toThrow();
    expect(() => {
      watch.assertNotLost();
    }).toThrow(`${path} is gone. Put it back, or restart to begin with an empty store`);
    expect(refuse).toThrow('is gone');
  });

  test('may grow, and may not become shorter, whatever its length is later', () => {
    truncateSync(path, 5_000);
    wait();
    refuse();
    expect(watch.isTruncated).toBe(false);
    truncateSync(path, 4_999);
    wait();
    expect(refuse).toThrow(
      `${path} was cut off: it had 5000 bytes, and now has 4999. Stop, restore a backup, and start again`,
    );
    truncateSync(path, 9_000);
    wait();
    expect(refuse).toThrow('was cut off');
    expect(watch.isTruncated).toBe(true);
  });

  test('is gone until the same file is back; another file in its place will not do', () => {
    const away = join(directory, 'away');
    renameSync(path, away);
    wait();
    expect(refuse).toThrow('is gone');
    copyFileSync(away, path);
    wait();
    expect(refuse).toThrow('was replaced by another file. Put the first one back, or restart to use the new one');
    renameSync(away, path);
    expect(watch.problem).toContain('was replaced');
    wait();
    expect(watch.problem).toBeUndefined();
    expect(refuse).not.toThrow();
    expect(told).toEqual([expect.stringContaining('is gone'), expect.stringContaining('was replaced'), undefined]);
  });

  test('whose directory became a file is gone', () => {
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    wait();
    expect(refuse).toThrow('is gone');
  });

  test('that is gone is told of at once, and then once a minute with what was refused meanwhile', () => {
    rmSync(path);
    for (let count = 0; count < 130; count += 1) {
      wait(1_000);
      expect(refuse).toThrow('is gone');
    }
    expect(told.map((line) => line?.replace(/.*\(/, '('))).toEqual(['(0)', '(61)', '(60)']);
  });
});
