import { expect, test, vi } from 'vitest';
import { afterTurn } from '../../src/http/after-turn.js';

test('work waits until the turn is over, all of it for one immediate, and what it leaves for the next', async () => {
  const done: string[] = [];
  afterTurn(() => {
    done.push('first');
    afterTurn(() => void done.push('next turn'));
  });
  setImmediate(() => void done.push('another immediate'));
  afterTurn(() => void done.push('second'));
  await Promise.resolve();
  expect(done).toEqual([]);
  await vi.waitFor(() => expect(done).toEqual(['first', 'second', 'another immediate', 'next turn']));
});

test('timers that a test fakes meanwhile do not keep it from being done', async () => {
  const done: string[] = [];
  vi.useFakeTimers();
  afterTurn(() => void done.push('under fake timers'));
  vi.useRealTimers();
  afterTurn(() => void done.push('after them'));
  await vi.waitFor(() => expect(done).toEqual(['under fake timers', 'after them']));
});
