import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DiskSpace, estimateSize } from '../../../src/store/lmdb/disk-space.js';
import { deferred } from '../../kit/fake-world.js';

const TOO_MUCH = 2 ** 60;

test('what fits is written, and what does not is not begun', async () => {
  const space = new DiskSpace(tmpdir());
  expect(await space.runWrite(10, 'event', async () => 'written')).toBe('written');
  let begun = 0;
  const write = async (): Promise<void> => void (begun += 1);
  await expect(space.runWrite(TOO_MUCH, 'event', write)).rejects.toThrow('no space left on the device');
  await space.runWrite(0, 'removal', write);
  expect(begun).toBe(1);
});

test('what is being written takes its room from what comes next, also when the disk is looked at anew', async () => {
  let now = 0;
  const space = new DiskSpace(
    tmpdir(),
    () => 0,
    () => now,
  );
  const half = await mostThatFits(space);
  const turn = deferred();
  const first = space.runWrite(half, 'event', () => turn.promise);
  await expect(space.runWrite(half, 'event', async () => {})).rejects.toThrow('no space left');
  now += 1_000;
  await expect(space.runWrite(half, 'event', async () => {})).rejects.toThrow('no space left');
  turn.reject(new Error('it was not written'));
  await expect(first).rejects.toThrow('it was not written');
  now += 1_000;
  await space.runWrite(half, 'event', async () => {});
});

test('a file system that does not say how much it has is tried', async () => {
  const space = new DiskSpace(join(tmpdir(), 'there', 'is', 'no', 'such'));
  expect(await space.runWrite(TOO_MUCH, 'event', async () => 'written')).toBe('written');
});

/** A power of two that fits and whose double does not. */
async function mostThatFits(space: DiskSpace): Promise<number> {
  for (let size = TOO_MUCH; size > 1; size /= 2) {
    try {
      await space.runWrite(size, 'event', async () => {});
      return size;
    } catch {
      // Less, then.
    }
  }
  throw new Error('nothing fits');
}

test.each<[unknown, number]>([
  ['é', 2],
  [new Uint8Array(1_000), 1_000],
  [{ v: 1, data: { raw: new Uint8Array(500), headers: [['content-type', 'text/plain']], none: undefined } }, 530],
  [null, 1],
])('the size of %o is not taken for less than it is', (value, least) => {
  expect(estimateSize(value)).toBeGreaterThanOrEqual(least);
  expect(estimateSize(value)).toBeLessThan(least * 2 + 150);
});
