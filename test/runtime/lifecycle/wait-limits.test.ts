import { describe, expect, it } from 'vitest';
import { runAll, timeLimit, waitUnlessAborted, waitAtMost } from '../../../src/runtime/lifecycle/wait-limits.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const never = new Promise<never>(() => {});

describe('waitUnlessAborted', () => {
  it('settles like the work', async () => {
    const limit = timeLimit(60_000);
    await waitUnlessAborted(Promise.resolve(), limit.signal);
    await expect(waitUnlessAborted(Promise.reject(new Error('no')), limit.signal)).rejects.toThrow('no');
    limit.end();
  });

  it('resolves when the time is up, even if it was up before the call', async () => {
    await waitAtMost(never, 5);
    const limit = timeLimit(60_000);
    const waiting = waitUnlessAborted(never, limit.signal);
    limit.end();
    limit.end();
    await waiting;
    await expect(waitUnlessAborted(never, limit.signal)).resolves.toBeUndefined();
  });
});

describe('timeLimit', () => {
  it('can be shortened but not extended', async () => {
    const limit = timeLimit(20);
    limit.end(60_000);
    await waitUnlessAborted(never, limit.signal);
    const longLimit = timeLimit(60_000);
    longLimit.end(5);
    await waitUnlessAborted(never, longLimit.signal);
    expect(longLimit.signal.aborted).toBe(true);
  });
});

describe('runAll', () => {
  it('runs every task, and logs failures', async () => {
    const logger = recordingLogger();
    const ran: string[] = [];
    const tasks = [
      () => {
        throw new Error('first');
      },
      () => Promise.reject(new Error('second')),
      () => ran.push('third'),
    ];
    await runAll(tasks, logger, 'close');
    expect(ran).toEqual(['third']);
    expect(logger.lines).toMatchObject([
      { level: 'error', event: 'shutdown.step-failed', fields: { step: 'close', err: { message: 'first' } } },
      { level: 'error', event: 'shutdown.step-failed', fields: { step: 'close', err: { message: 'second' } } },
    ]);
  });
});
