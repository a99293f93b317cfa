import { expect, test } from 'vitest';
import { Counters } from '../../../src/subscription/record/counters.js';
import { START } from '../machine/life.js';

test('counters begin at nothing and tell no last event', () => {
  expect(new Counters('s', new Set()).stats()).toEqual({
    received: 0,
    rejected: 0,
    delivered: 0,
    refused: 0,
    failed: 0,
    duplicates: 0,
    missed: 0,
  });
});

test('each counter counts for itself, and the last event is a date to the user', () => {
  const counters = new Counters('s', new Set());
  counters.received(START);
  counters.received(START + 1);
  counters.rejected();
  counters.refused();
  counters.delivered();
  counters.failed();
  counters.duplicate();
  counters.missed(3);
  expect(counters.stats()).toEqual({
    received: 2,
    rejected: 1,
    refused: 1,
    delivered: 1,
    failed: 1,
    duplicates: 1,
    missed: 3,
    lastEventAt: new Date(START + 1),
  });
});

test('what is stored goes on counting after it is read back', () => {
  const before = new Counters('s', new Set());
  before.received(START);
  const counters = new Counters('s', new Set(), before.stored());
  counters.delivered();
  expect(counters.stored()).toEqual({
    received: 1,
    rejected: 0,
    delivered: 1,
    refused: 0,
    failed: 0,
    duplicates: 0,
    missed: 0,
    lastEventAt: START,
  });
  const { missed: _missed, refused: _refused, duplicates: _duplicates, ...older } = before.stored();
  expect(new Counters('s', new Set(), older).stats()).toMatchObject({ missed: 0, refused: 0, duplicates: 0 });
});

test.each(['rejected', 'refused', 'delivered', 'failed', 'duplicate'] as const)(
  'a %s makes them worth storing',
  (what) => {
    const unstored = new Set<string>();
    const counters = new Counters('s', unstored);
    expect(unstored.size).toBe(0);
    counters[what]();
    expect([...unstored]).toEqual(['s']);
  },
);

test('entries that were missed make them worth storing', () => {
  const unstored = new Set<string>();
  new Counters('s', unstored).missed(1);
  expect([...unstored]).toEqual(['s']);
});
