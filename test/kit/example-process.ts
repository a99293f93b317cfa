import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How an example ended. */
export interface ExampleEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An example, or a fixture, in a process of its own. */
export interface ExampleProcess extends AsyncDisposable {
  /** Both outputs so far. */
  output(): string;
  /** Resolves when the outputs hold a text; rejects when the process ends first, or after 30 seconds. */
  printed(text: string | RegExp): Promise<void>;
  interrupt(): void;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<ExampleEnd>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const LONGEST_WAIT_MS = 30_000;

/** How a process is started. */
export interface ProcessOptions {
  readonly args?: readonly string[];
  /** Added to that of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Options of Node.js itself. */
  readonly node?: readonly string[];
}

/** Starts `examples/<name>.ts` without a build. */
export function runExample(name: string, options: ProcessOptions = {}): ExampleProcess {
  const node = ['--import', '@oxc-node/core/register', ...(options.node ?? [])];
  return runFile(`examples/${name}.ts`, { ...options, node });
}

/** Starts a file, state in memory, on a free port. */
export function runFile(file: string, { args = [], env = {}, node = [] }: ProcessOptions = {}): ExampleProcess {
  const child = spawn(process.execPath, [...node, file, ...args], {
    cwd: root,
    env: { ...process.env, PORT: '0', WEBSUB_STORE: 'memory', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const waiting = new Set<() => void>();
  const note = (text: string): void => {
    output += text;
    for (const check of waiting) check();
  };
  child.stdout.setEncoding('utf8').on('data', note);
  child.stderr.setEncoding('utf8').on('data', note);
  const ended = new Promise<ExampleEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });

  return {
    output: () => output,
    printed: (text) =>
      new Promise((resolve, reject) => {
        const finish = (act: () => void): void => {
          clearTimeout(timer);
          waiting.delete(check);
          act();
        };
        const check = (): void => {
          if (typeof text === 'string' ? output.includes(text) : text.test(output)) finish(resolve);
        };
        const fail = (why: string): void =>
          finish(() => reject(new Error(`${String(text)} was not printed ${why}, but:\n${output}`)));
        const timer = setTimeout(() => fail(`within ${LONGEST_WAIT_MS} ms`), LONGEST_WAIT_MS);
        waiting.add(check);
        check();
        void ended.then(() => fail('before the end'));
      }),
    interrupt: () => void child.kill('SIGINT'),
    kill: (signal) => void child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
