import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A TypeScript file running as a process of its own. */
export interface RunningFixture {
  readonly child: ChildProcess;
  /** The first line of its output that begins so; rejects when it ends before. */
  readonly line: (beginning: string) => Promise<string>;
  /** How it ended: its exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Runs `test/store/fixtures/<name>` with the arguments. */
export function runFixture(name: string, ...values: string[]): RunningFixture {
  const file = fileURLToPath(new URL(`../store/fixtures/${name}`, import.meta.url));
  const command = [process.execPath, '--import', '@oxc-node/core/register', file, ...values];
  // Its files may have 400 kB: what a fixture that fills a store runs into.
  const shell = ['-c', 'trap \'\' XFSZ; ulimit -f 800; exec "$@"', 'sh', ...command];
  const child = spawn('sh', shell, {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const listener of listeners) listener();
    });
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? -1);
    });
  });
  const line = (beginning: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = output.split('\n').find((candidate) => candidate.startsWith(beginning));
        if (found !== undefined) resolve(found);
      };
      listeners.add(look);
      look();
      child.once('close', (code, signal) => {
        reject(new Error(`${name} ended (${code ?? signal}) without "${beginning}":\n${output}`));
      });
    });
  return { child, line, ended };
}
