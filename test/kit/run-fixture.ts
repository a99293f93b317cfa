import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { outputOf } from './process-output.js';

/** A TypeScript file that runs in its own process. */
export interface RunningFixture {
  readonly child: ChildProcess;
  /** Resolves to the first output line with a prefix. Rejects when the process ends first, or after 30 seconds. */
  readonly line: (prefix: string) => Promise<string>;
  /** The exit code, or the signal that ended the process. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Runs `test/store/fixtures/<name>`. Unlike an example it runs with a limit on the size of its files. */
export function runFixture(name: string, ...args: string[]): RunningFixture {
  const file = fileURLToPath(new URL(`../store/fixtures/${name}`, import.meta.url));
  const command = [process.execPath, '--import', '@oxc-node/core/register', file, ...args];
  // Its files may have 400 kB. A fixture that fills a store reaches this limit.
  const shell = ['-c', 'trap \'\' XFSZ; ulimit -f 800; exec "$@"', 'sh', ...command];
  const child = spawn('sh', shell, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { find, ended } = outputOf(child);
  return {
    child,
    line: (prefix) =>
      find(`${name}: "${prefix}"`, (output) => output.split('\n').find((line) => line.startsWith(prefix))),
    ended: ended.then(({ code, signal }) => code ?? signal ?? -1),
  };
}
