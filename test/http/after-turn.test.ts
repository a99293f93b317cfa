import { expect, test, vi } from 'vitest';
import { afterTurn } from '../../src/http/after-turn.js';

test('work waits until the turn is over, in order, and what it leaves is for the next turn', async () => {
  const done: string[] = [];
  const immediate = vi.spyOn(globalThis, 'setImmediate');
  afterTurn(() => {
    done.push('first');
    afterTurn(() => void done.push('next turn'));
  });
  afterTurn(() => void done.push('second'));
  expect(immediate).toHaveBeenCalledTimes(1);
  await Promise.resolve();
  expect(done).toEqual([]);
  await vi.waitFor(() => expect(done).toEqual(['first', 'second', 'next turn']));
  expect(immediate).toHaveBeenCalledTimes(2);
  immediate.mockRestore();
});
