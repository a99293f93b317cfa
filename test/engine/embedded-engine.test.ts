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
  const subscriptions = engine.timetable((key) => ranKeys.push(`subscription ${key}`));
  const events = engine.timetable((key) => ranKeys.push(`event ${key}`));
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
  const timetable = engine.timetable((key) => ranKeys.push(key));
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
  engine.every('*/10 * * * * *', job);
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
  engine.every('* * * * * *', () => {});
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
  engine.timetable((key) => ranKeys.push(key)).set('due', Date.now());
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
  const timetable = engine.timetable((key) => {
    ranKeys.push(key);
    if (key !== 'c') throw new Error(key);
  });
  const otherTimetable = engine.timetable((key) => ranKeys.push(key));
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
  engine.every('*/10 * * * * *', () => {
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
  engine.every('*/10 * * * * *', job);
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
