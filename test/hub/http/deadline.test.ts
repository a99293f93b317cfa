import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeadlineError, startDeadline } from '../../../src/hub/http/deadline.js';
import { rejection } from '../../kit/recording-server.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const pending = new Promise<never>(() => {});

describe('the time of a request', () => {
  it('is ten seconds', async () => {
    const { signal, race } = startDeadline();
    const raced = rejection(race(pending));
    vi.advanceTimersByTime(9_999);
    expect(signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(signal.reason).toBeInstanceOf(DeadlineError);
    expect(signal.reason).toMatchObject({ message: 'no complete answer within 10000 ms' });
    expect(await raced).toBe(signal.reason);
    expect(await rejection(race(pending))).toBe(signal.reason);
  });

  it('does not hurry what settles in time', async () => {
    const { race } = startDeadline(50);
    expect(await race(Promise.resolve('done'))).toBe('done');
    expect(await rejection(race(Promise.reject(new Error('failed'))))).toMatchObject({ message: 'failed' });
  });

  it("ends with the caller's own signal, also one that was aborted before", () => {
    const controller = new AbortController();
    const early = startDeadline(50, controller.signal);
    controller.abort('enough');
    expect(early.signal.reason).toBe('enough');
    expect(startDeadline(50, controller.signal).signal.reason).toBe('enough');
  });

  it('is over once cleared', () => {
    const controller = new AbortController();
    const { signal, clear } = startDeadline(50, controller.signal);
    clear();
    controller.abort();
    vi.advanceTimersByTime(50);
    expect(signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([0, -1, Number.NaN, Infinity, 2 ** 31])('cannot be %s ms', (timeoutMs) => {
    expect(() => startDeadline(timeoutMs)).toThrow(`httpConfig.timeoutMs ${timeoutMs} is not a number of milliseconds`);
  });
});
