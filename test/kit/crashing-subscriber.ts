import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogEvent } from '../../src/log-events.js';
import { compiledFixture } from './compiled-fixture.js';
import { forkedProcess, linesOf } from './forked-process.js';
import { unusedPort } from './ports.js';
import { temporaryDirectory } from './temporary-directory.js';

const program = await compiledFixture('e2e/fixtures/poisoned-subscriber.ts');

/** A subscriber in its own process that crashes on demand, for a test that restarts it on the same store and port. */
export async function crashingSubscriber(target: string) {
  const directory = temporaryDirectory();
  const runsFile = join(directory, 'runs');
  const poisonTopic = join(directory, 'poison-topic');
  const env = {
    TARGET: target,
    STORE: `lmdb://${join(directory, 'store')}`,
    PORT: String(await unusedPort()),
    RUNS: runsFile,
    POISON_TOPIC: poisonTopic,
  };
  const { start, ended, kill, send, request, output } = forkedProcess(program, { env, cwd: directory });
  return {
    start,
    ended,
    kill,
    async stop(): Promise<void> {
      send('stop');
      await ended();
    },
    deadLetters: () => request('letters'),
    renew: () => request('renew'),
    /** Sets whether a fetch of the topic crashes the process. */
    setPoison: (isPoisoned: boolean) => (isPoisoned ? writeFile(poisonTopic, '') : rm(poisonTopic)),
    /** The lines that the process has recorded about its handler runs. */
    runs: () => linesOf(runsFile),
    /** The log lines of one event. */
    logged: (event: LogEvent): readonly string[] =>
      output()
        .split('\n')
        .filter((line) => line.includes(`"event":"${event}"`)),
  };
}
