import { expect, test } from 'vitest';
import { KeyedMutex } from '../../src/engine/keyed-mutex.js';

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('work of one key is done one after the other, in the order it was given', async () => {
  const turns = new KeyedMutex();
  const done: string[] = [];
  const first = gate();
  const all = [
    turns.runExclusive('a', async () => {
      await first.opened;
      done.push('one');
    }),
    turns.runExclusive('a', async () => void done.push('two')),
    turns.runExclusive('a', async () => void done.push('three')),
  ];
  await turns.runExclusive('b', async () => void done.push('other'));
  expect(done).toEqual(['other']);
  first.open();
  await Promise.all(all);
  expect(done).toEqual(['other', 'one', 'two', 'three']);
});

test('whoever gave the work gets what it returns or throws, and the next is done all the same', async () => {
  const turns = new KeyedMutex();
  const failing = turns.runExclusive('a', async () => {
    throw new Error('no');
  });
  const next = turns.runExclusive('a', async () => 'yes');
  await expect(failing).rejects.toThrow('no');
  await expect(next).resolves.toBe('yes');
});

test('work may give more work of its key, which is done after it', async () => {
  const turns = new KeyedMutex();
  const done: string[] = [];
  let inner: Promise<unknown> = Promise.resolve();
  await turns.runExclusive('a', async () => {
    inner = turns.runExclusive('a', async () => void done.push('inner'));
    await Promise.resolve();
    done.push('outer');
  });
  await inner;
  expect(done).toEqual(['outer', 'inner']);
});
