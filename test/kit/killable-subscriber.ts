import { join } from 'node:path';
import { compiledFixture } from './compiled-fixture.js';
import { forkedProcess, linesOf } from './forked-process.js';
import { unusedPort } from './ports.js';
import { temporaryDirectory } from './temporary-directory.js';

const program = await compiledFixture('e2e/fixtures/mortal-subscriber.ts');

/** A subscriber in its own process, for a test that kills and restarts it on the same store and port. */
export async function killableSubscriber(target: string, mode: 'inline' | 'queued' | 'in order') {
  const directory = temporaryDirectory();
  const handledFile = join(directory, 'handled');
  const args = [target, `lmdb://${join(directory, 'store')}`, String(await unusedPort()), mode, handledFile];
  const { start, kill, request } = forkedProcess(program, { args });
  return {
    start: () => start(),
    kill,
    deadLetterCount: () => request('count dead letters'),
    /** The texts of the handled events, in order. */
    handled: () => linesOf(handledFile),
  };
}
