import { expect, test, vi } from 'vitest';
import { AckTimeout, peek } from '../../../src/delivery/handler/ack-timeout.js';
import { deferred } from '../../kit/deferred.js';

test('C9 the wait resolves to work that ends in time, and leaves no timer', async () => {
  vi.useFakeTimers();
  try {
    const work = deferred<string>();
    const waiting = new AckTimeout().wait(work.promise, 5_000);
    await vi.advanceTimersByTimeAsync(4_999);
    work.resolve('done');
    expect(await waiting).toBe('done');
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('C9 the wait resolves to undefined if the work takes longer', async () => {
  vi.useFakeTimers();
  try {
    const waiting = new AckTimeout().wait(new Promise(() => {}), 5_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await waiting).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test('expireAll ends all waits, and later waits return at once', async () => {
  const ackTimeout = new AckTimeout();
  const earlierWait = ackTimeout.wait(new Promise(() => {}), 60_000);
  ackTimeout.expireAll();
  expect(await earlierWait).toBeUndefined();
  expect(await ackTimeout.wait(new Promise(() => {}), 60_000)).toBeUndefined();
  expect(await ackTimeout.wait(Promise.resolve('done'), 60_000)).toBe('done');
});

test('peek resolves to a known result, otherwise to undefined', async () => {
  expect(await peek(Promise.resolve('done'))).toBe('done');
  expect(await peek('done')).toBe('done');
  expect(await peek(new Promise(() => {}))).toBeUndefined();
});
