import { CronJob, CronTime } from 'cron';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { embeddedEngine } from '../../src/engine/embedded-engine.js';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});

afterEach(() => {
  vi.useRealTimers();
});

test('due work runs once, and each timetable has its own keys', () => {
  let now = 0;
  const engine = embeddedEngine({ now: () => now });
  const ranKeys: string[] = [];
  const subscriptions = engine.timetable('subscriptions', (key) => void ranKeys.push(`subscription ${key}`));
  const events = engine.timetable('events', (key) => void ranKeys.push(`event ${key}`));
  subscriptions.set('a', 10);
  events.set('a', 20);
  engine.tick();
  expect(ranKeys).toEqual([]);
  now = 10;
  engine.tick();
  engine.tick();
  expect(ranKeys).toEqual(['subscription a']);
  expect([subscriptions.size, events.size]).toEqual([0, 1]);
  now = 20;
  engine.tick();
  expect(ranKeys).toEqual(['subscription a', 'event a']);
});

test('the engine looks for due work every second between start and stop', () => {
  const engine = embeddedEngine({ now: Date.now });
  const ranKeys: string[] = [];
  const timetable = engine.timetable('work', (key) => void ranKeys.push(key));
  timetable.set('before the start', Date.now());
  vi.advanceTimersByTime(5_000);
  expect(ranKeys).toEqual([]);
  engine.start();
  vi.advanceTimersByTime(1_000);
  expect(ranKeys).toEqual(['before the start']);
  timetable.set('in ten seconds', Date.now() + 10_000);
  vi.advanceTimersByTime(9_000);
  expect(ranKeys).toHaveLength(1);
  vi.advanceTimersByTime(2_000);
  expect(ranKeys).toEqual(['before the start', 'in ten seconds']);
  timetable.set('after the stop', Date.now() + 1_000);
  engine.stop();
  vi.advanceTimersByTime(60_000);
  expect(ranKeys).toHaveLength(2);
});

test('work of a cron expression runs between start and stop', () => {
  const engine = embeddedEngine({ now: Date.now });
  const job = vi.fn<() => void>();
  engine.every('job', '*/10 * * * * *', job);
  vi.advanceTimersByTime(60_000);
  expect(job).not.toHaveBeenCalled();
  engine.start();
  vi.advanceTimersByTime(60_000);
  expect(job).toHaveBeenCalledTimes(6);
  engine.stop();
  vi.advanceTimersByTime(60_000);
  expect(job).toHaveBeenCalledTimes(6);
});

test('work for one key runs one after the other', async () => {
  const engine = embeddedEngine({ now: Date.now });
  const done: number[] = [];
  const first = engine.runExclusive('a', async () => {
    await Promise.resolve();
    done.push(1);
  });
  await Promise.all([first, engine.runExclusive('a', async () => void done.push(2))]);
  expect(done).toEqual([1, 2]);
});

test('start does not wait for cron, and an early stop prevents all work', () => {
  const createCronJob = vi.spyOn(CronJob, 'from');
  const engine = embeddedEngine({ now: Date.now });
  engine.every('job', '* * * * * *', () => {});
  engine.start();
  engine.stop();
  vi.advanceTimersByTime(60_000);
  expect(createCronJob).not.toHaveBeenCalled();
  engine.start();
  expect(createCronJob).not.toHaveBeenCalled();
  vi.advanceTimersByTime(250);
  expect(createCronJob).toHaveBeenCalledTimes(2);
  engine.stop();
  expect(vi.getTimerCount()).toBe(0);
  createCronJob.mockRestore();
});

test('a missed tick runs at once, and nothing is written to the console', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const getTimeout = vi.spyOn(CronTime.prototype, 'getTimeout').mockReturnValueOnce(-1);
  const engine = embeddedEngine({ now: Date.now });
  const ranKeys: string[] = [];
  engine.timetable('work', (key) => void ranKeys.push(key)).set('due', Date.now());
  engine.start();
  vi.advanceTimersByTime(251);
  engine.stop();
  expect(ranKeys).toEqual(['due']);
  expect(warn).not.toHaveBeenCalled();
  getTimeout.mockRestore();
  warn.mockRestore();
});

test('the next tick detects a clock that was set back, once, but ignores a correction under a second', () => {
  let now = 100_000;
  const engine = embeddedEngine({ now: () => now });
  let detections = 0;
  engine.onClockSetBack(() => void (detections += 1));
  engine.tick();
  now -= 900;
  engine.tick();
  expect(detections).toBe(0);
  now -= 50_000;
  engine.tick();
  engine.tick();
  expect(detections).toBe(1);
  now += 86_400_000;
  engine.tick();
  expect(detections).toBe(1);
});

test('work that throws is reported, and does not stop other work', () => {
  const errors: unknown[] = [];
  const ranKeys: string[] = [];
  let now = 100_000;
  const engine = embeddedEngine({ now: () => now, onError: (error) => errors.push(error) });
  const timetable = engine.timetable('work', (key) => {
    ranKeys.push(key);
    if (key !== 'c') throw new Error(key);
  });
  const otherTimetable = engine.timetable('other', (key) => void ranKeys.push(key));
  engine.onClockSetBack(() => {
    throw new Error('set back');
  });
  for (const [at, key] of ['a', 'b', 'c'].entries()) timetable.set(key, at);
  otherTimetable.set('d', 0);
  engine.tick();
  expect(ranKeys).toEqual(['a', 'b', 'c', 'd']);
  expect(errors).toEqual([new Error('a'), new Error('b')]);
  now = 0;
  engine.tick();
  expect(errors.at(-1)).toEqual(new Error('set back'));
});

test('work of a cron expression runs again at the next time after it throws', () => {
  const errors: unknown[] = [];
  const engine = embeddedEngine({ now: Date.now, onError: (error) => errors.push(error) });
  engine.every('job', '*/10 * * * * *', () => {
    throw new Error('not now');
  });
  engine.start();
  vi.advanceTimersByTime(30_500);
  expect(errors).toEqual(Array.from({ length: 3 }, () => new Error('not now')));
  engine.stop();
});

test('a next time that cannot be computed is computed again a minute later', () => {
  const errors: unknown[] = [];
  const engine = embeddedEngine({ now: Date.now, onError: (error) => errors.push(error) });
  const job = vi.fn<() => void>();
  engine.every('job', '*/10 * * * * *', job);
  engine.start();
  vi.advanceTimersByTime(10_500);
  expect(job).toHaveBeenCalledTimes(1);
  const sendAt = vi.spyOn(CronTime.prototype, 'sendAt').mockImplementation(() => {
    throw new Error('no such time');
  });
  vi.advanceTimersByTime(10_000);
  sendAt.mockRestore();
  expect(errors).toContainEqual(new Error('no such time'));
  const runsBefore = job.mock.calls.length;
  vi.advanceTimersByTime(120_000);
  expect(job.mock.calls.length).toBeGreaterThan(runsBefore);
  engine.stop();
});

test('work that has not settled holds its key, and runs again afterwards if it came due meanwhile', async () => {
  let now = 0;
  const engine = embeddedEngine({ now: () => now });
  const runs: (() => void)[] = [];
  const timetable = engine.timetable('work', () => new Promise<void>((resolve) => void runs.push(resolve)));
  timetable.set('a', 0);
  engine.tick();
  expect([runs.length, timetable.has('a'), timetable.size]).toEqual([1, true, 0]);
  now = 1_000;
  timetable.set('a', now);
  engine.tick();
  expect(runs).toHaveLength(1);
  runs[0]?.();
  await vi.advanceTimersByTimeAsync(0);
  engine.tick();
  expect(runs).toHaveLength(2);
  runs[1]?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(timetable.has('a')).toBe(false);
});

test('a time that is removed while its work runs is not due afterwards', async () => {
  let now = 0;
  const engine = embeddedEngine({ now: () => now });
  const runs: (() => void)[] = [];
  const timetable = engine.timetable('work', () => new Promise<void>((resolve) => void runs.push(resolve)));
  timetable.set('a', 0);
  engine.tick();
  timetable.set('a', 0);
  engine.tick();
  timetable.set('a', undefined);
  runs[0]?.();
  await vi.advanceTimersByTimeAsync(0);
  now = 86_400_000;
  engine.tick();
  expect(runs).toHaveLength(1);
});

test('work that rejects is reported by name and key, and runs again a minute later, or when it has planned', async () => {
  let now = 0;
  const errors: unknown[] = [];
  const engine = embeddedEngine({ now: () => now, onError: (error, work) => errors.push([error, work]) });
  const ranKeys: string[] = [];
  const timetable = engine.timetable('polls', async (key) => {
    ranKeys.push(key);
    if (key === 'b') timetable.set('b', 5_000);
    await Promise.reject(new Error(`not ${key}`));
  });
  for (const key of ['a', 'b']) timetable.set(key, 0);
  engine.tick();
  await vi.advanceTimersByTimeAsync(0);
  expect(errors).toEqual([
    [new Error('not a'), { name: 'polls', key: 'a' }],
    [new Error('not b'), { name: 'polls', key: 'b' }],
  ]);
  now = 5_000;
  engine.tick();
  expect(ranKeys).toEqual(['a', 'b', 'b']);
  now = 59_999;
  engine.tick();
  expect(ranKeys).toHaveLength(3);
  now = 60_000;
  engine.tick();
  expect(ranKeys).toEqual(['a', 'b', 'b', 'a']);
});

test('two timetables cannot have one name', () => {
  const engine = embeddedEngine({ now: Date.now });
  engine.timetable('polls', () => {});
  expect(() => engine.timetable('polls', () => {})).toThrow('There is a timetable "polls" already.');
});

test('work of a cron expression does not start again before it has settled', async () => {
  const errors: unknown[] = [];
  const engine = embeddedEngine({ now: Date.now, onError: (error, work) => errors.push([error, work]) });
  const runs: ((error: Error) => void)[] = [];
  engine.every('sweep', '*/10 * * * * *', () => new Promise<void>((_resolve, reject) => void runs.push(reject)));
  engine.start();
  await vi.advanceTimersByTimeAsync(35_000);
  expect(runs).toHaveLength(1);
  runs[0]?.(new Error('the disk is full'));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(runs).toHaveLength(2);
  expect(errors).toEqual([[new Error('the disk is full'), { name: 'sweep' }]]);
  engine.stop();
});
