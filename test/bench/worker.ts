import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { callerOf, type Caller } from './calls.js';

/** Milliseconds a process that was told to stop gets to end by itself. */
const EXIT_MS = 10_000;

/** How a process is started. */
export interface WorkerOptions {
  /** What it is, for errors. */
  readonly name: string;
  readonly cwd: string;
  /** The core it is kept on; undefined for any. */
  readonly core: number | undefined;
  readonly execArgv?: readonly string[];
}

/** A process of the benchmark. */
export interface Worker {
  readonly call: Caller;
  /** Lines it has written to its standard output. */
  lines(): number;
  /** Tells it to stop, and waits until it has ended. */
  stop(): Promise<void>;
  kill(): void;
}

/**
 * Starts a compiled module in a process of its own. No loader runs in it, for what is measured has to be what users run: a
 * loader stays in the process, and changes what the code compiles to. Nor does it inherit options, log levels or a
 * coverage recorder from our environment. In a run of the tests it inherits their guard against connections beyond loopback.
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
