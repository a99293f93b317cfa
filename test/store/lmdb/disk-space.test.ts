import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DiskSpace, estimateSize } from '../../../src/store/lmdb/disk-space.js';
import { deferred } from '../../kit/deferred.js';

const TOO_MUCH = 2 ** 60;

test('a write that fits runs, and one that does not fit is not started', async () => {
  const space = new DiskSpace(tmpdir());
  expect(await space.runWrite(10, 'event', async () => 'written')).toBe('written');
  let startedWrites = 0;
  const write = async (): Promise<void> => void (startedWrites += 1);
  await expect(space.runWrite(TOO_MUCH, 'event', write)).rejects.toThrow('no space left on the device');
  await space.runWrite(0, 'removal', write);
  expect(startedWrites).toBe(1);
});

test('writes in flight count against the next write, also after a new check of the disk', async () => {
  let now = 0;
  const space = new DiskSpace(
    tmpdir(),
    () => 0,
    () => now,
  );
  const overHalf = await largestFittingSize(space);
  const writing = deferred();
  const first = space.runWrite(overHalf, 'event', () => writing.promise);
  await expect(space.runWrite(overHalf, 'event', async () => {})).rejects.toThrow('no space left');
  now += 1_000;
  await expect(space.runWrite(overHalf, 'event', async () => {})).rejects.toThrow('no space left');
  writing.reject(new Error('it was not written'));
  await expect(first).rejects.toThrow('it was not written');
  now += 1_000;
  await space.runWrite(overHalf, 'event', async () => {});
});

test('a write runs when the file system does not report its free space', async () => {
  const space = new DiskSpace(join(tmpdir(), 'there', 'is', 'no', 'such'));
  expect(await space.runWrite(TOO_MUCH, 'event', async () => 'written')).toBe('written');
});

/** The largest power of two that fits. */
async function largestFittingSize(space: DiskSpace): Promise<number> {
  for (let size = TOO_MUCH; size > 1; size /= 2) {
    try {
      await space.runWrite(size, 'event', async () => {});
      return size;
    } catch {
      // Does not fit: try half.
    }
  }
  throw new Error('nothing fits');
}

test.each<[unknown, number]>([
  ['é', 2],
  [new Uint8Array(1_000), 1_000],
  [{ v: 1, data: { raw: new Uint8Array(500), headers: [['content-type', 'text/plain']], none: undefined } }, 530],
  [null, 1],
])('the estimated size of %o is at least its actual size, and at most about twice as much', (value, actualSize) => {
  expect(estimateSize(value)).toBeGreaterThanOrEqual(actualSize);
  expect(estimateSize(value)).toBeLessThan(actualSize * 2 + 150);
});
