import { describe, expect, it } from 'vitest';
import { BackgroundTasks } from '../../../src/runtime/background/background-tasks.js';
import { deferred } from '../../kit/fake-world.js';
import { recordingLogger } from '../../kit/recording-logger.js';

describe('UnderWay', () => {
  it('once() begins nothing while a run of that key is under way', async () => {
    const underWay = new BackgroundTasks(recordingLogger());
    const first = deferred();
    const runs: string[] = [];
    const run = (name: string, until: Promise<void>) => async (): Promise<void> => {
      runs.push(name);
      await until;
    };
    underWay.startUnlessRunning('a', run('first', first.promise), '');
    underWay.startUnlessRunning('a', run('second', Promise.resolve()), '');
    underWay.startUnlessRunning('b', run('other', Promise.resolve()), '');
    first.resolve();
    await underWay.waitForIdle();
    underWay.startUnlessRunning('a', run('third', Promise.resolve()), '');
    await underWay.waitForIdle();
    expect(runs).toEqual(['first', 'other', 'third']);
  });

  it('next() begins when what is under way has ended, and what fails is logged', async () => {
    const logger = recordingLogger();
    const underWay = new BackgroundTasks(logger);
    const runs: string[] = [];
    const first = deferred();
    const fail = async (): Promise<void> => {
      await first.promise;
      throw new Error('no');
    };
    underWay.startAfterCurrent('a', fail, 'it failed');
    underWay.startAfterCurrent('a', async () => void runs.push('second'), '');
    await Promise.resolve();
    expect(runs).toEqual([]);
    first.resolve();
    await underWay.waitForIdle();
    expect(runs).toEqual(['second']);
    expect(logger.lines).toMatchObject([{ level: 'error', message: 'it failed', fields: { err: { message: 'no' } } }]);
  });

  /** Turns that are given one by one. */
  function turns() {
    const waiting: (() => void)[] = [];
    const turn = async (work: () => Promise<void>): Promise<void> => {
      await new Promise<void>((resolve) => void waiting.push(resolve));
      await work();
    };
    return { turn, give: () => waiting.shift()?.() };
  }

  it('next() queues nothing behind what waits for its turn, but one behind what is under way', async () => {
    const underWay = new BackgroundTasks(recordingLogger());
    const { turn, give } = turns();
    const runs: string[] = [];
    const first = deferred();
    const begun = deferred();
    const run = (name: string) => async (): Promise<void> => {
      runs.push(name);
      begun.resolve();
      await first.promise;
    };
    for (const name of ['first', 'too many']) underWay.startAfterCurrent('a', run(name), '', turn);
    give();
    await begun.promise;
    for (const name of ['second', 'too many']) underWay.startAfterCurrent('a', run(name), '');
    underWay.startUnlessRunning('a', run('too many'), '');
    first.resolve();
    await underWay.waitForIdle();
    expect(runs).toEqual(['first', 'second']);
  });

  it('sent() waits for what is under way, not for what had to wait for its turn', async () => {
    const underWay = new BackgroundTasks(recordingLogger());
    const { turn, give } = turns();
    const [sending, scheduled] = [deferred(), deferred()];
    const done: string[] = [];
    underWay.startAfterCurrent('sending', () => sending.promise, '');
    underWay.startAfterCurrent('scheduled', () => scheduled.promise, '', turn);
    const sent = underWay.waitForUndelayed().then(() => done.push('sent'));
    const idle = underWay.waitForIdle().then(() => done.push('idle'));
    sending.resolve();
    await sent;
    give();
    scheduled.resolve();
    await idle;
    expect(done).toEqual(['sent', 'idle']);
  });
});
