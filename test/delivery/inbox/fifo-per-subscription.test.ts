import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FifoPerSubscription } from '../../../src/delivery/inbox/fifo-per-subscription.js';

test('the first event of each queue may run', () => {
  const fifo = new FifoPerSubscription();
  fifo.append('a', 'a1');
  fifo.append('a', 'a2');
  fifo.append('b', 'b1');
  expect(['a2', 'a1', 'b1'].map((id) => fifo.markReady(id))).toEqual([false, true, true]);
});

test('an event in no queue may run at once', () => {
  const fifo = new FifoPerSubscription();
  expect([fifo.markReady('x'), fifo.remove('x'), fifo.size]).toEqual([true, undefined, 0]);
});

test('a ready event may run when the event before it is removed', () => {
  const fifo = new FifoPerSubscription();
  for (const id of ['a1', 'a2', 'a3']) fifo.append('a', id);
  fifo.markReady('a2');
  expect(fifo.remove('a1')).toBe('a2');
  expect(fifo.remove('a2'), 'a3 is not ready').toBeUndefined();
  expect(fifo.markReady('a3')).toBe(true);
});

test('removing an event from the middle or the end lets no other event run', () => {
  const fifo = new FifoPerSubscription();
  for (const id of ['a1', 'a2', 'a3', 'a4']) fifo.append('a', id);
  for (const id of ['a2', 'a3', 'a4']) fifo.markReady(id);
  expect([fifo.remove('a2'), fifo.remove('a4')]).toEqual([undefined, undefined]);
  fifo.append('a', 'a5');
  expect([fifo.remove('a1'), fifo.markReady('a5'), fifo.remove('a3')]).toEqual(['a3', false, 'a5']);
});

test('an empty queue is removed', () => {
  const fifo = new FifoPerSubscription();
  fifo.append('a', 'a1');
  fifo.append('b', 'b1');
  fifo.remove('a1');
  fifo.remove('a1');
  expect(fifo.size).toBe(1);
});

test('stored events are appended by position, after the events without a position by time', () => {
  const fifo = new FifoPerSubscription();
  fifo.appendInOrder([
    { id: 'third', subscriptionId: 'a', position: 0, receivedAt: 1 },
    { id: 'second', subscriptionId: 'a', position: undefined, receivedAt: 9 },
    { id: 'fourth', subscriptionId: 'a', position: 1, receivedAt: 0 },
    { id: 'first', subscriptionId: 'a', position: undefined, receivedAt: 8 },
    { id: 'other', subscriptionId: 'b', position: 5, receivedAt: 5 },
  ]);
  const order = ['first', 'second', 'third', 'fourth', 'other'];
  for (const id of order) fifo.markReady(id);
  expect([fifo.markReady('other'), ...order.map((id) => fifo.remove(id))]).toEqual([
    true,
    'second',
    'third',
    'fourth',
    undefined,
    undefined,
  ]);
});

/** Fixed, so that only a code change makes the test fail. `SEED=… npx vitest run …` tries other seeds. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

test('the queues behave like lists whose first element may run', () => {
  const step = fc.tuple(fc.constantFrom('append', 'markReady', 'remove'), fc.constantFrom('a', 'b'), fc.nat(5));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fifo = new FifoPerSubscription();
      const lists: Record<string, string[]> = { a: [], b: [] };
      const readyIds = new Set<string>();
      const actual: unknown[] = [];
      const expected: unknown[] = [];
      let appendCount = 0;
      for (const [operation, subscriptionId, index] of steps) {
        const list = lists[subscriptionId] ?? [];
        const id = list[index];
        if (operation === 'append') {
          appendCount += 1;
          fifo.append(subscriptionId, `${appendCount}`);
          list.push(`${appendCount}`);
        } else if (id === undefined) {
          continue;
        } else if (operation === 'markReady') {
          readyIds.add(id);
          actual.push(fifo.markReady(id));
          expected.push(index === 0);
        } else {
          list.splice(index, 1);
          const [first = ''] = list;
          actual.push(fifo.remove(id));
          expected.push(index === 0 && readyIds.has(first) ? first : undefined);
        }
        actual.push(fifo.size);
        expected.push(Object.values(lists).filter((list) => list.length > 0).length);
      }
      expect(actual).toEqual(expected);
    }),
    { numRuns: 500, seed: SEED },
  );
});
