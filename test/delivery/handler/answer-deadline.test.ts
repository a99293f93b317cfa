import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AnswerDeadline } from '../../../src/delivery/handler/answer-deadline.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('C9 the handler has ackAfterMs, and the store has the remaining part of nine seconds', () => {
  const deadline = new AnswerDeadline({ ackAfterMs: 5_000, storeTimeoutMs: 5_000 }, 0);
  expect([deadline.handlerMs, deadline.storeMs]).toEqual([5_000, 5_000]);
  vi.advanceTimersByTime(3_000);
  expect([deadline.handlerMs, deadline.storeMs]).toEqual([2_000, 5_000]);
  vi.advanceTimersByTime(2_000);
  expect([deadline.handlerMs, deadline.storeMs]).toEqual([0, 4_000]);
  vi.advanceTimersByTime(3_999);
  expect(deadline.storeMs).toBe(1);
  vi.advanceTimersByTime(2);
  expect([deadline.handlerMs, deadline.storeMs]).toEqual([0, 0]);
});

test('C9 the store never has more than the remaining time, however long its timeout is', () => {
  expect(new AnswerDeadline({ ackAfterMs: 0, storeTimeoutMs: 60_000 }, 0).storeMs).toBe(9_000);
});

test('C9 the store has one second after an ackAfterMs above eight seconds', () => {
  const deadline = new AnswerDeadline({ ackAfterMs: 20_000, storeTimeoutMs: 5_000 }, 0);
  expect(deadline.handlerMs).toBe(20_000);
  vi.advanceTimersByTime(20_000);
  expect(deadline.storeMs).toBe(1_000);
});

test('C9 elapsed time shortens the time of the handler, so that the store keeps its second', () => {
  const deadline = new AnswerDeadline({ ackAfterMs: 8_000, storeTimeoutMs: 5_000 }, 3_000);
  expect(deadline.handlerMs).toBe(5_000);
  vi.advanceTimersByTime(5_000);
  expect(deadline.storeMs).toBe(1_000);
});
