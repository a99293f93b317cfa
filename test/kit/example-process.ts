import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { outputOf, type ProcessEnd } from './process-output.js';

/** An example or a fixture in its own process. */
export interface ExampleProcess extends AsyncDisposable {
  /** The standard output and the standard error so far. */
  output(): string;
  /** Resolves when the output contains a text. Rejects when the process ends first, or after 30 seconds. */
  printed(text: string | RegExp): Promise<void>;
  /** Writes a line to the standard input. Needs the option `hasInput`. */
  type(line: string): void;
  interrupt(): void;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<ProcessEnd>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface ProcessOptions {
  readonly args?: readonly string[];
  /** Added to the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Options of Node.js itself. */
  readonly node?: readonly string[];
  /** The working directory. @default the root of the repository */
  readonly cwd?: string;
  /** Whether the process has a standard input, to type lines. @default false */
  readonly hasInput?: boolean;
}

/** Starts `examples/<name>.ts` without a build. */
export function runExample(name: string, options: ProcessOptions = {}): ExampleProcess {
  const node = ['--import', '@oxc-node/core/register', ...(options.node ?? [])];
  return runFile(`examples/${name}.ts`, { ...options, node });
}

/** Starts a file with a store in memory, on a free port. */
export function runFile(file: string, options: ProcessOptions = {}): ExampleProcess {
  const { args = [], env = {}, node = [], cwd = root, hasInput = false } = options;
  const child = spawn(process.execPath, [...node, file, ...args], {
    cwd,
    env: { ...process.env, PORT: '0', WEBSUB_STORE: 'memory', ...env },
    stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  const { text: output, find, ended } = outputOf(child);
  return {
    output,
    async printed(text) {
      await find(String(text), (all) => (typeof text === 'string' ? all.includes(text) : text.test(all)) || undefined);
    },
    type: (line) => void child.stdin?.write(`${line}\n`),
    interrupt: () => void child.kill('SIGINT'),
    kill: (signal) => void child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
