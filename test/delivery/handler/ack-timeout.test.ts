import { expect, test, vi } from 'vitest';
import { AckTimeout, peek } from '../../../src/delivery/handler/ack-timeout.js';
import { deferred } from '../../kit/fake-world.js';

test('C9 what ends in time is waited for, and no timer is left', async () => {
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

test('C9 what takes longer is not', async () => {
  vi.useFakeTimers();
  try {
    const waiting = new AckTimeout().wait(new Promise(() => {}), 5_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await waiting).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test('at the end of patience nothing is waited for any more, nor from then on', async () => {
  const patience = new AckTimeout();
  const before = patience.wait(new Promise(() => {}), 60_000);
  patience.expireAll();
  expect(await before).toBeUndefined();
  expect(await patience.wait(new Promise(() => {}), 60_000)).toBeUndefined();
  expect(await patience.wait(Promise.resolve('done'), 60_000)).toBe('done');
});

test('a peek gives what is there', async () => {
  expect(await peek(Promise.resolve('done'))).toBe('done');
  expect(await peek('done')).toBe('done');
  expect(await peek(new Promise(() => {}))).toBeUndefined();
});
