import { expect, test } from 'vitest';
import { Turns } from '../../src/engine/keyed-mutex.js';

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('work of one key is done one after the other, in the order it was given', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const first = gate();
  const all = [
    turns.take('a', async () => {
      await first.opened;
      done.push('one');
    }),
    turns.take('a', async () => void done.push('two')),
    turns.take('a', async () => void done.push('three')),
  ];
  await turns.take('b', async () => void done.push('other'));
  expect(done).toEqual(['other']);
  first.open();
  await Promise.all(all);
  expect(done).toEqual(['other', 'one', 'two', 'three']);
});

test('whoever gave the work gets what it returns or throws, and the next is done all the same', async () => {
  const turns = new Turns();
  const failing = turns.take('a', async () => {
    throw new Error('no');
  });
  const next = turns.take('a', async () => 'yes');
  await expect(failing).rejects.toThrow('no');
  await expect(next).resolves.toBe('yes');
});

test('work may give more work of its key, which is done after it', async () => {
  const turns = new Turns();
  const done: string[] = [];
  let inner: Promise<unknown> = Promise.resolve();
  await turns.take('a', async () => {
    inner = turns.take('a', async () => void done.push('inner'));
    await Promise.resolve();
    done.push('outer');
  });
  await inner;
  expect(done).toEqual(['outer', 'inner']);
});
