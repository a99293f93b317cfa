import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadAhead } from '../../src/runtime/load-ahead.js';

const onDemand = vi.hoisted(() => vi.fn<(name: string) => unknown>());
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its type has a case for every package.
vi.mock(import('../../src/on-demand.js'), () => ({ onDemand: onDemand as never }));

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  onDemand.mockReset();
});

test('what a start does without is loaded after it, one package at a time, also past one that cannot be', () => {
  onDemand.mockImplementationOnce(() => {
    throw new Error('not installed');
  });
  loadAhead();
  vi.advanceTimersByTime(499);
  expect(onDemand).not.toHaveBeenCalled();
  for (const count of [1, 2, 3]) {
    vi.advanceTimersToNextTimer();
    expect(onDemand).toHaveBeenCalledTimes(count);
  }
  vi.runAllTimers();
  const loaded = onDemand.mock.calls.map(([name]) => name);
  expect(loaded).toEqual(['undici', 'ofetch', 'ipaddr.js', 'htmlparser2', 'feedsmith', 'h3', 'h3/node']);
});

test('nothing is loaded any more after a stop', () => {
  const stop = loadAhead();
  vi.advanceTimersToNextTimer();
  stop();
  expect(vi.getTimerCount()).toBe(0);
  expect(onDemand).toHaveBeenCalledTimes(1);
});
