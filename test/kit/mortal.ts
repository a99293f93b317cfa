import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { compiledFixture } from './compiled-fixture.js';
import { temporaryDirectory } from './news-service.js';
import { deadPort } from './world.js';

const mortalSubscriber = await compiledFixture('e2e/fixtures/mortal-subscriber.ts');

/** A subscriber that is started anew whenever it was killed. */
export async function mortal(target: string, mode: 'inline' | 'queued' | 'in order') {
  const directory = await temporaryDirectory();
  const file = join(directory, 'handled');
  const given = [target, `lmdb://${join(directory, 'store')}`, String(await deadPort()), mode, file];
  let child: ChildProcess | undefined;
  onTestFinished(() => void child?.kill('SIGKILL'));
  return {
    async start(): Promise<void> {
      child = fork(mortalSubscriber, given);
      await once(child, 'message');
    },
    async kill(): Promise<void> {
      if (child === undefined) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
    async letters(): Promise<unknown> {
      if (child === undefined) return undefined;
      const told = once(child, 'message');
      child.send('how many');
      return (await told)[0];
    },
    handled: async (): Promise<readonly string[]> =>
      (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== ''),
  };
}
