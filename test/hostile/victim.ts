import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { callerOf, type Caller, numbersOf, stringsOf } from '../bench/calls.js';
import type { Setup } from './subject/subject.js';
import type { Peaks } from './subject/watch.js';

/** Milliseconds to watch the process while it is idle. */
const IDLE_MS = 1_000;

/** Milliseconds to wait for a blocked service. */
const CALL_TIMEOUT_MS = 90_000;

const COUNTS = ['events', 'pushed', 'verifications', 'handled', 'entries', 'writes', 'bytes'] as const;

/** Counters of the service under attack. */
export type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

/** A service in a child process. */
export interface Victim {
  /** One callback per target. */
  readonly callbacks: readonly URL[];
  /** Number of lines it has written. */
  lines(): number;
  counts(): Promise<Counts>;
  /** Longest block since the last call, minus the longest block while idle. In milliseconds. */
  lap(): Promise<number>;
  /** Runs discovery for a URL. Returns `found` or the failure reason. */
  discover(url: string): Promise<string>;
  /** Collects garbage and measures the remaining heap. */
  collect(): Promise<void>;
  /** The highest values since the start, minus the values while idle. */
  worst(): Promise<Peaks>;
  /** Makes the store fail, or work again. */
  setStore(works: boolean): Promise<void>;
  /** Stops the service without unsubscribing and starts it again on the same store. */
  restart(): Promise<void>;
  /** Stops the service. Returns the milliseconds until the process exited. */
  stop(): Promise<number>;
  kill(): void;
}

function withTimeout(call: Caller): Caller {
  return (method, argument) => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the service under attack does not ${method}`)), CALL_TIMEOUT_MS);
    });
    return Promise.race([call(method, argument), timeout]).finally(() => clearTimeout(timer));
  };
}

/** Starts a service and measures it while idle. */
export async function startVictim(
  file: string,
  setup: Setup,
  { isRead = true }: { readonly isRead?: boolean } = {},
): Promise<Victim> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, ['--expose-gc', file], {
    cwd: tmpdir(),
    env: { PATH, HOME, TMPDIR },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  let lines = 0;
  if (isRead) {
    child.stdout?.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) lines += 1;
    });
  }
  const call = withTimeout(callerOf(child, 'the service under attack'));
  const exited = once(child, 'exit');
  const measure = async (): Promise<Peaks> => numbersOf(await call('end'), ['gapMs', 'resident', 'heap']);
  try {
    const { callbacks } = stringsOf(await call('start', setup), ['callbacks']);
    await call('begin');
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idle = await measure();
    const linesWhileIdle = lines;
    await call('begin');
    return {
      callbacks: callbacks.split(' ').map((callback) => new URL(callback)),
      lines: () => lines - linesWhileIdle,
      counts: async () => numbersOf(await call('counts'), COUNTS),
      lap: async () => Math.max(0, numbersOf(await call('lap'), ['gapMs']).gapMs - idle.gapMs),
      discover: async (url) => stringsOf(await call('discover', { url }), ['outcome']).outcome,
      collect: async () => void (await call('collect')),
      async worst() {
        await call('collect');
        const peaks = await measure();
        return {
          gapMs: Math.max(0, peaks.gapMs - idle.gapMs),
          resident: Math.max(0, peaks.resident - idle.resident),
          heap: Math.max(0, peaks.heap - idle.heap),
        };
      },
      setStore: async (works) => void (await call(works ? 'mend' : 'break')),
      restart: async () => void (await call('restart')),
      async stop() {
        await call('stop');
        const stoppedAt = performance.now();
        await exited;
        return performance.now() - stoppedAt;
      },
      kill: () => void child.kill('SIGKILL'),
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}
