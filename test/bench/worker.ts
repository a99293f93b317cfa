import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { callerOf, type Caller } from './calls.js';

/** Milliseconds a process has to exit by itself after `stop`. */
const EXIT_MS = 10_000;

/** Options of a process. */
export interface WorkerOptions {
  /** Name of the process, for errors. */
  readonly name: string;
  readonly cwd: string;
  /** The core it is pinned to; undefined for any. */
  readonly core: number | undefined;
  readonly execArgv?: readonly string[];
}

/** A child process of the benchmark. */
export interface Worker {
  readonly call: Caller;
  /** Number of lines it has written to its standard output. */
  lines(): number;
  /** Tells it to stop, and waits until it has exited. */
  stop(): Promise<void>;
  kill(): void;
}

/**
 * Starts a compiled module in a child process. It runs without a loader, because users run none and a loader changes
 * how the code compiles. It inherits no options, log levels or coverage recorder. In a test run it inherits the guard
 * against connections beyond loopback.
 */
export function startWorker(module: URL, { name, cwd, core, execArgv = [] }: WorkerOptions): Worker {
  const node = [process.execPath, ...execArgv, fileURLToPath(module)];
  const [command = '', ...args] = core === undefined ? node : ['taskset', '-c', String(core), ...node];
  const { PATH, HOME, TMPDIR, WEBSUB_TEST_ATTEMPTS, NODE_OPTIONS } = process.env;
  const guard = WEBSUB_TEST_ATTEMPTS === undefined ? {} : { WEBSUB_TEST_ATTEMPTS, NODE_OPTIONS };
  const child = spawn(command, args, {
    cwd,
    env: { PATH, HOME, TMPDIR, ...guard },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  let lines = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines += 1;
  });
  const call = callerOf(child, name);
  const exited = once(child, 'exit');
  return {
    call,
    lines: () => lines,
    async stop() {
      await call('stop');
      const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_MS);
      const [code] = await exited;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`${name}: the process did not end by itself (${String(code)})`);
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
