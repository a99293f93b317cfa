import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AnswerDeadline } from '../../../src/delivery/handler/answer-deadline.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('C9 the handler has ackAfterMs, and the store what is left of nine seconds', () => {
  const time = new AnswerDeadline({ ackAfterMs: 5_000, storeTimeoutMs: 5_000 }, 0);
  expect([time.handlerMs, time.storeMs]).toEqual([5_000, 5_000]);
  vi.advanceTimersByTime(3_000);
  expect([time.handlerMs, time.storeMs]).toEqual([2_000, 5_000]);
  vi.advanceTimersByTime(2_000);
  expect([time.handlerMs, time.storeMs]).toEqual([0, 4_000]);
  vi.advanceTimersByTime(3_999);
  expect(time.storeMs).toBe(1);
  vi.advanceTimersByTime(2);
  expect([time.handlerMs, time.storeMs]).toEqual([0, 0]);
});

test('C9 the store has no more than is left, however much it is given', () => {
  expect(new AnswerDeadline({ ackAfterMs: 0, storeTimeoutMs: 60_000 }, 0).storeMs).toBe(9_000);
});

test('C9 where ackAfterMs is above eight seconds, the store has a second more', () => {
  const time = new AnswerDeadline({ ackAfterMs: 20_000, storeTimeoutMs: 5_000 }, 0);
  expect(time.handlerMs).toBe(20_000);
  vi.advanceTimersByTime(20_000);
  expect(time.storeMs).toBe(1_000);
});

test('C9 what is spent is gone for the handler, so that the store keeps its second', () => {
  const time = new AnswerDeadline({ ackAfterMs: 8_000, storeTimeoutMs: 5_000 }, 3_000);
  expect(time.handlerMs).toBe(5_000);
  vi.advanceTimersByTime(5_000);
  expect(time.storeMs).toBe(1_000);
});
