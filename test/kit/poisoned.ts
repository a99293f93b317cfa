import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { compiledFixture } from './compiled-fixture.js';
import { temporaryDirectory } from './news-service.js';
import { deadPort } from './world.js';

const poisonedSubscriber = await compiledFixture('e2e/fixtures/poisoned-subscriber.ts');

/** A subscriber that ends its own process, and is started anew each time. */
export async function poisoned(target: string) {
  const directory = await temporaryDirectory();
  const file = join(directory, 'runs');
  const poisonTopic = join(directory, 'poison-topic');
  const env = {
    ...process.env,
    TARGET: target,
    STORE: `lmdb://${join(directory, 'store')}`,
    PORT: String(await deadPort()),
    RUNS: file,
    POISON_TOPIC: poisonTopic,
  };
  let child: ChildProcess | undefined;
  let exited: Promise<unknown> = Promise.resolve();
  let output = '';
  onTestFinished(async () => {
    child?.kill('SIGKILL');
    await exited;
  });
  const ask = async (what: string): Promise<unknown> => {
    if (child === undefined) return undefined;
    const told = once(child, 'message');
    child.send(what);
    return (await told)[0];
  };
  return {
    /** Resolves when it is ready. */
    async start(more: NodeJS.ProcessEnv = {}): Promise<void> {
      child = fork(poisonedSubscriber, {
        env: { ...env, ...more },
        cwd: directory,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      exited = once(child, 'exit');
      child.stdout?.on('data', (text) => (output += String(text)));
      child.stderr?.resume();
      await Promise.race([once(child, 'message'), exited]);
    },
    /** Resolves to the signal that has ended it. */
    async ended(): Promise<string | null> {
      await exited;
      return child?.signalCode ?? null;
    },
    async kill(): Promise<void> {
      child?.kill('SIGKILL');
      await exited;
    },
    async stop(): Promise<void> {
      child?.send('stop');
      await exited;
    },
    letters: () => ask('letters'),
    renew: () => ask('renew'),
    setPoison: (isThere: boolean) => (isThere ? writeFile(poisonTopic, '') : rm(poisonTopic)),
    /** What was noted so far. */
    runs: async (): Promise<readonly string[]> =>
      (await readFile(file, 'utf8').catch(() => '')).split('\n').filter((line) => line !== ''),
    /** The lines of the log whose message has a text in it. */
    logged: (text: string): readonly string[] => output.split('\n').filter((line) => line.includes(text)),
  };
}
