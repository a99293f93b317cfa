import { expect, test } from 'vitest';
import { Counters } from '../../../src/subscription/record/counters.js';
import { START } from '../machine/subscription-machine.js';

test('counters start at zero, without a last event', () => {
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

test('each counter counts its own events, and users see the last event as a date', () => {
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

test('counters continue from their stored values', () => {
  const previous = new Counters('s', new Set());
  previous.received(START);
  const counters = new Counters('s', new Set(), previous.stored());
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
  const { missed: _missed, refused: _refused, duplicates: _duplicates, ...version1 } = previous.stored();
  expect(new Counters('s', new Set(), version1).stats()).toMatchObject({ missed: 0, refused: 0, duplicates: 0 });
});

test.each(['rejected', 'refused', 'delivered', 'failed', 'duplicate'] as const)(
  'a change of %s marks the subscription as unsaved',
  (counter) => {
    const unsaved = new Set<string>();
    const counters = new Counters('s', unsaved);
    expect(unsaved.size).toBe(0);
    counters[counter]();
    expect([...unsaved]).toEqual(['s']);
  },
);

test('missed entries mark the subscription as unsaved', () => {
  const unsaved = new Set<string>();
  new Counters('s', unsaved).missed(1);
  expect([...unsaved]).toEqual(['s']);
});
