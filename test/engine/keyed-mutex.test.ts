import { expect, test } from 'vitest';
import { KeyedMutex } from '../../src/engine/keyed-mutex.js';

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('work for one key runs one after the other, in order', async () => {
  const mutex = new KeyedMutex();
  const done: string[] = [];
  const first = gate();
  const all = [
    mutex.runExclusive('a', async () => {
      await first.opened;
      done.push('one');
    }),
    mutex.runExclusive('a', async () => void done.push('two')),
    mutex.runExclusive('a', async () => void done.push('three')),
  ];
  await mutex.runExclusive('b', async () => void done.push('other'));
  expect(done).toEqual(['other']);
  first.open();
  await Promise.all(all);
  expect(done).toEqual(['other', 'one', 'two', 'three']);
});

test('the caller gets the result or error of its work, and the next work runs either way', async () => {
  const mutex = new KeyedMutex();
  const failing = mutex.runExclusive('a', async () => {
    throw new Error('no');
  });
  const next = mutex.runExclusive('a', async () => 'yes');
  await expect(failing).rejects.toThrow('no');
  await expect(next).resolves.toBe('yes');
});

test('work can add more work for its key, which runs afterwards', async () => {
  const mutex = new KeyedMutex();
  const done: string[] = [];
  let inner: Promise<unknown> = Promise.resolve();
  await mutex.runExclusive('a', async () => {
    inner = mutex.runExclusive('a', async () => void done.push('inner'));
    await Promise.resolve();
    done.push('outer');
  });
  await inner;
  expect(done).toEqual(['outer', 'inner']);
});
