import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeadlineError, startDeadline } from '../../../src/hub/http/deadline.js';
import { failureOf } from '../../kit/failure-of.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const pending = new Promise<never>(() => {});

describe('the deadline of a request', () => {
  it('is ten seconds by default', async () => {
    const { signal, race } = startDeadline();
    const raceError = failureOf(race(pending));
    vi.advanceTimersByTime(9_999);
    expect(signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(signal.reason).toBeInstanceOf(DeadlineError);
    expect(signal.reason).toMatchObject({ message: 'no complete answer within 10000 ms' });
    expect(await raceError).toBe(signal.reason);
    expect(await failureOf(race(pending))).toBe(signal.reason);
  });

  it('does not affect work that settles in time', async () => {
    const { race } = startDeadline(50);
    expect(await race(Promise.resolve('done'))).toBe('done');
    expect(await failureOf(race(Promise.reject(new Error('failed'))))).toMatchObject({ message: 'failed' });
  });

  it("aborts with the caller's signal, even if that was aborted before", () => {
    const controller = new AbortController();
    const deadline = startDeadline(50, controller.signal);
    controller.abort('enough');
    expect(deadline.signal.reason).toBe('enough');
    expect(startDeadline(50, controller.signal).signal.reason).toBe('enough');
  });

  it('never aborts once it is cleared', () => {
    const controller = new AbortController();
    const { signal, clear } = startDeadline(50, controller.signal);
    clear();
    controller.abort();
    vi.advanceTimersByTime(50);
    expect(signal.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([0, -1, Number.NaN, Infinity, 2 ** 31])('cannot be %s ms', (timeoutMs) => {
    expect(() => startDeadline(timeoutMs)).toThrow(
      `httpConfig.timeoutMs is ${timeoutMs}; it must be a number of milliseconds`,
    );
  });
});
