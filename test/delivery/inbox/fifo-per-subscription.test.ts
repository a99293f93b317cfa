import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FifoPerSubscription } from '../../../src/delivery/inbox/fifo-per-subscription.js';

test('the first of a line has its turn, and each line has its own first', () => {
  const lines = new FifoPerSubscription();
  lines.append('a', 'a1');
  lines.append('a', 'a2');
  lines.append('b', 'b1');
  expect(['a2', 'a1', 'b1'].map((id) => lines.markReady(id))).toEqual([false, true, true]);
});

test('who is in no line waits for nobody', () => {
  const lines = new FifoPerSubscription();
  expect([lines.markReady('x'), lines.remove('x'), lines.size]).toEqual([true, undefined, 0]);
});

test('one that has become ready has its turn when the one before leaves', () => {
  const lines = new FifoPerSubscription();
  for (const id of ['a1', 'a2', 'a3']) lines.append('a', id);
  lines.markReady('a2');
  expect(lines.remove('a1')).toBe('a2');
  expect(lines.remove('a2'), 'a3 is not ready').toBeUndefined();
  expect(lines.markReady('a3')).toBe(true);
});

test('one that leaves from the middle or from the end gives nobody a turn', () => {
  const lines = new FifoPerSubscription();
  for (const id of ['a1', 'a2', 'a3', 'a4']) lines.append('a', id);
  for (const id of ['a2', 'a3', 'a4']) lines.markReady(id);
  expect([lines.remove('a2'), lines.remove('a4')]).toEqual([undefined, undefined]);
  lines.append('a', 'a5');
  expect([lines.remove('a1'), lines.markReady('a5'), lines.remove('a3')]).toEqual(['a3', false, 'a5']);
});

test('a line that is empty is forgotten', () => {
  const lines = new FifoPerSubscription();
  lines.append('a', 'a1');
  lines.append('b', 'b1');
  lines.remove('a1');
  lines.remove('a1');
  expect(lines.size).toBe(1);
});

test('what was stored joins by position, and before that by its time what has none', () => {
  const lines = new FifoPerSubscription();
  lines.appendInOrder([
    { id: 'third', subscriptionId: 'a', position: 0, receivedAt: 1 },
    { id: 'second', subscriptionId: 'a', position: undefined, receivedAt: 9 },
    { id: 'fourth', subscriptionId: 'a', position: 1, receivedAt: 0 },
    { id: 'first', subscriptionId: 'a', position: undefined, receivedAt: 8 },
    { id: 'other', subscriptionId: 'b', position: 5, receivedAt: 5 },
  ]);
  const order = ['first', 'second', 'third', 'fourth', 'other'];
  for (const id of order) lines.markReady(id);
  expect([lines.markReady('other'), ...order.map((id) => lines.remove(id))]).toEqual([
    true,
    'second',
    'third',
    'fourth',
    undefined,
    undefined,
  ]);
});

/** The same at every run, so that a change is what makes it fail; `SEED=… npx vitest run …` looks at others. */
const SEED = Number(process.env['SEED'] ?? 20_260_101);

test('lines are what lists are in which one looks at the first', () => {
  const step = fc.tuple(fc.constantFrom('join', 'ready', 'leave'), fc.constantFrom('a', 'b'), fc.nat(5));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lines = new FifoPerSubscription();
      const lists: Record<string, string[]> = { a: [], b: [] };
      const ready = new Set<string>();
      const told: unknown[] = [];
      const expected: unknown[] = [];
      let joined = 0;
      for (const [what, line, place] of steps) {
        const list = lists[line] ?? [];
        const id = list[place];
        if (what === 'join') {
          joined += 1;
          lines.append(line, `${joined}`);
          list.push(`${joined}`);
        } else if (id === undefined) {
          continue;
        } else if (what === 'ready') {
          ready.add(id);
          told.push(lines.markReady(id));
          expected.push(place === 0);
        } else {
          list.splice(place, 1);
          const [first = ''] = list;
          told.push(lines.remove(id));
          expected.push(place === 0 && ready.has(first) ? first : undefined);
        }
        told.push(lines.size);
        expected.push(Object.values(lists).filter((each) => each.length > 0).length);
      }
      expect(told).toEqual(expected);
    }),
    { numRuns: 500, seed: SEED },
  );
});
