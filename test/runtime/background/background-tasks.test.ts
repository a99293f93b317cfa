import { describe, expect, it } from 'vitest';
import { BackgroundTasks } from '../../../src/runtime/background/background-tasks.js';
import { deferred } from '../../kit/deferred.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const NAMED = { task: 'poll', subscription: 's1' } as const;

describe('BackgroundTasks', () => {
  it('startAfterCurrent() starts a task after the running task has failed, and logs the failure', async () => {
    const logger = recordingLogger();
    const tasks = new BackgroundTasks(logger);
    const runs: string[] = [];
    const first = deferred();
    const fail = async (): Promise<void> => {
      await first.promise;
      throw new Error('no');
    };
    void tasks.startAfterCurrent('a', fail, { task: 'discover', subscription: 's2' });
    void tasks.startAfterCurrent('a', async () => void runs.push('second'), NAMED);
    await Promise.resolve();
    expect(runs).toEqual([]);
    first.resolve();
    await tasks.waitForIdle();
    expect(runs).toEqual(['second']);
    expect(logger.lines).toMatchObject([
      {
        level: 'error',
        event: 'task.failed',
        fields: { task: 'discover', subscription: 's2', err: { message: 'no' } },
      },
    ]);
  });

  /** Slots that the test frees one by one. */
  function manualSlots() {
    const waiting: (() => void)[] = [];
    const slot = async (work: () => Promise<void>): Promise<void> => {
      await new Promise<void>((resolve) => void waiting.push(resolve));
      await work();
    };
    return { slot, freeSlot: () => waiting.shift()?.() };
  }

  it('startAfterCurrent() queues no task behind a waiting task, and only one behind a running task', async () => {
    const tasks = new BackgroundTasks(recordingLogger());
    const { slot, freeSlot } = manualSlots();
    const runs: string[] = [];
    const first = deferred();
    const started = deferred();
    const run = (name: string) => async (): Promise<void> => {
      runs.push(name);
      started.resolve();
      await first.promise;
    };
    for (const name of ['first', 'too many']) void tasks.startAfterCurrent('a', run(name), NAMED, slot);
    freeSlot();
    await started.promise;
    for (const name of ['second', 'too many']) void tasks.startAfterCurrent('a', run(name), NAMED);
    first.resolve();
    await tasks.waitForIdle();
    expect(runs).toEqual(['first', 'second']);
  });

  it('waitForUndelayed() waits for running tasks, not for tasks that had to wait for a slot', async () => {
    const tasks = new BackgroundTasks(recordingLogger());
    const { slot, freeSlot } = manualSlots();
    const [sending, scheduled] = [deferred(), deferred()];
    const done: string[] = [];
    void tasks.startAfterCurrent('sending', () => sending.promise, NAMED);
    void tasks.startAfterCurrent('scheduled', () => scheduled.promise, NAMED, slot);
    const undelayed = tasks.waitForUndelayed().then(() => done.push('undelayed'));
    const idle = tasks.waitForIdle().then(() => done.push('idle'));
    sending.resolve();
    await undelayed;
    freeSlot();
    scheduled.resolve();
    await idle;
    expect(done).toEqual(['undelayed', 'idle']);
  });
});
