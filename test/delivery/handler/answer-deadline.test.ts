import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AnswerTime } from '../../../src/delivery/handler/answer-deadline.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('C9 the handler has ackAfterMs, and the store what is left of nine seconds', () => {
  const time = new AnswerTime({ ackAfterMs: 5_000, storeTimeoutMs: 5_000 }, 0);
  expect([time.forHandler, time.forStore]).toEqual([5_000, 5_000]);
  vi.advanceTimersByTime(3_000);
  expect([time.forHandler, time.forStore]).toEqual([2_000, 5_000]);
  vi.advanceTimersByTime(2_000);
  expect([time.forHandler, time.forStore]).toEqual([0, 4_000]);
  vi.advanceTimersByTime(3_999);
  expect(time.forStore).toBe(1);
  vi.advanceTimersByTime(2);
  expect([time.forHandler, time.forStore]).toEqual([0, 0]);
});

test('C9 the store has no more than is left, however much it is given', () => {
  expect(new AnswerTime({ ackAfterMs: 0, storeTimeoutMs: 60_000 }, 0).forStore).toBe(9_000);
});

test('C9 where ackAfterMs is above eight seconds, the store has a second more', () => {
  const time = new AnswerTime({ ackAfterMs: 20_000, storeTimeoutMs: 5_000 }, 0);
  expect(time.forHandler).toBe(20_000);
  vi.advanceTimersByTime(20_000);
  expect(time.forStore).toBe(1_000);
});

test('C9 what is spent is gone for the handler, so that the store keeps its second', () => {
  const time = new AnswerTime({ ackAfterMs: 8_000, storeTimeoutMs: 5_000 }, 3_000);
  expect(time.forHandler).toBe(5_000);
  vi.advanceTimersByTime(5_000);
  expect(time.forStore).toBe(1_000);
});
