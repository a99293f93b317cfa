import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { embeddedEngine } from '../../src/engine/embedded-engine.js';

let isMissing = true;

vi.mock('../../src/on-demand.js', async (original) => {
  const { onDemand } = await original<typeof import('../../src/on-demand.js')>();
  const failingOnDemand = (name: 'cron'): unknown => {
    if (isMissing) throw new Error('too many open files');
    return onDemand(name);
  };
  return { onDemand: failingOnDemand };
});

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});

afterEach(() => {
  vi.useRealTimers();
});

test('due work runs while cron cannot be loaded, and loading is retried every second', () => {
  const errors: unknown[] = [];
  const ranKeys: string[] = [];
  const engine = embeddedEngine({ now: Date.now, onError: (error) => errors.push(error) });
  const timetable = engine.timetable('work', (key) => void ranKeys.push(key));
  const job = vi.fn<() => void>();
  engine.every('job', '*/10 * * * * *', job);
  engine.start();
  timetable.set('in two seconds', Date.now() + 2_000);
  vi.advanceTimersByTime(3_500);
  expect(errors).toEqual(Array.from({ length: 4 }, () => new Error('too many open files')));
  expect(ranKeys).toEqual(['in two seconds']);
  isMissing = false;
  vi.advanceTimersByTime(10_000);
  expect(errors).toHaveLength(4);
  expect(job).toHaveBeenCalledTimes(1);
  engine.stop();
  vi.advanceTimersByTime(60_000);
  expect(job).toHaveBeenCalledTimes(1);
});
