import { describe, expect, it } from 'vitest';
import { BackgroundTasks } from '../../../src/runtime/background/background-tasks.js';
import { deferred } from '../../kit/deferred.js';
import { recordingLogger } from '../../kit/recording-logger.js';

const NAMED = { task: 'poll', subscription: 's1' } as const;

describe('BackgroundTasks', () => {
  it('startUnlessRunning() starts no task while another task of the same key runs', async () => {
    const tasks = new BackgroundTasks(recordingLogger());
    const first = deferred();
    const runs: string[] = [];
    const run = (name: string, until: Promise<void>) => async (): Promise<void> => {
      runs.push(name);
      await until;
    };
    tasks.startUnlessRunning('a', run('first', first.promise), NAMED);
    tasks.startUnlessRunning('a', run('second', Promise.resolve()), NAMED);
    tasks.startUnlessRunning('b', run('other', Promise.resolve()), NAMED);
    first.resolve();
    await tasks.waitForIdle();
    tasks.startUnlessRunning('a', run('third', Promise.resolve()), NAMED);
    await tasks.waitForIdle();
    expect(runs).toEqual(['first', 'other', 'third']);
  });

  it('startAfterCurrent() starts a task after the running task has failed, and logs the failure', async () => {
    const logger = recordingLogger();
    const tasks = new BackgroundTasks(logger);
    const runs: string[] = [];
    const first = deferred();
    const fail = async (): Promise<void> => {
      await first.promise;
      throw new Error('no');
    };
    tasks.startAfterCurrent('a', fail, { task: 'discover', subscription: 's2' });
    tasks.startAfterCurrent('a', async () => void runs.push('second'), NAMED);
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
    for (const name of ['first', 'too many']) tasks.startAfterCurrent('a', run(name), NAMED, slot);
    freeSlot();
    await started.promise;
    for (const name of ['second', 'too many']) tasks.startAfterCurrent('a', run(name), NAMED);
    tasks.startUnlessRunning('a', run('too many'), NAMED);
    first.resolve();
    await tasks.waitForIdle();
    expect(runs).toEqual(['first', 'second']);
  });

  it('waitForUndelayed() waits for running tasks, not for tasks that had to wait for a slot', async () => {
    const tasks = new BackgroundTasks(recordingLogger());
    const { slot, freeSlot } = manualSlots();
    const [sending, scheduled] = [deferred(), deferred()];
    const done: string[] = [];
    tasks.startAfterCurrent('sending', () => sending.promise, NAMED);
    tasks.startAfterCurrent('scheduled', () => scheduled.promise, NAMED, slot);
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
