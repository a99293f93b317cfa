import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { callerOf, type Caller, numbersOf, stringsOf } from '../bench/calls.js';
import type { Setup } from './subject/subject.js';
import type { Seen } from './subject/watch.js';

/** Milliseconds for which the process is watched while nothing happens. */
const IDLE_MS = 1_000;

/** Milliseconds for which a service that stands still is waited for. */
const PATIENCE_MS = 90_000;

const COUNTS = ['events', 'pushed', 'verifications', 'handled', 'entries', 'writes', 'bytes'] as const;

/** What the service under attack has done so far. */
export type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

/** A service in a process of its own. */
export interface Victim {
  /** One for each target. */
  readonly callbacks: readonly URL[];
  /** Lines that it has written. */
  lines(): number;
  counts(): Promise<Counts>;
  /** The longest block since this was last asked for, less that while it was idle, in milliseconds. */
  lap(): Promise<number>;
  /** Has it discover from a URL: `found`, or why not. */
  discover(url: string): Promise<string>;
  /** Sees what is left in the heap now. */
  collect(): Promise<void>;
  /** What was seen since it was started, less what was seen while it was idle. */
  worst(): Promise<Seen>;
  /** The store fails from now on, or works again. */
  setStore(works: boolean): Promise<void>;
  /** Stops the service without telling the hub, and starts it again on the same store. */
  restart(): Promise<void>;
  /** Stops the service, and says how many milliseconds the process took to end after that. */
  stop(): Promise<number>;
  kill(): void;
}

function inTime(call: Caller): Caller {
  return (method, argument) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the service under attack does not ${method}`)), PATIENCE_MS);
    });
    return Promise.race([call(method, argument), late]).finally(() => clearTimeout(timer));
  };
}

/** Starts a service and watches it while it is idle. */
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
  const call = inTime(callerOf(child, 'the service under attack'));
  const exited = once(child, 'exit');
  const seen = async (): Promise<Seen> => numbersOf(await call('end'), ['gapMs', 'resident', 'heap']);
  try {
    const { callbacks } = stringsOf(await call('start', setup), ['callbacks']);
    await call('begin');
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idle = await seen();
    const before = lines;
    await call('begin');
    return {
      callbacks: callbacks.split(' ').map((callback) => new URL(callback)),
      lines: () => lines - before,
      counts: async () => numbersOf(await call('counts'), COUNTS),
      lap: async () => Math.max(0, numbersOf(await call('lap'), ['gapMs']).gapMs - idle.gapMs),
      discover: async (url) => stringsOf(await call('discover', { url }), ['outcome']).outcome,
      collect: async () => void (await call('collect')),
      async worst() {
        await call('collect');
        const worst = await seen();
        return {
          gapMs: Math.max(0, worst.gapMs - idle.gapMs),
          resident: Math.max(0, worst.resident - idle.resident),
          heap: Math.max(0, worst.heap - idle.heap),
        };
      },
      setStore: async (works) => void (await call(works ? 'mend' : 'break')),
      restart: async () => void (await call('restart')),
      async stop() {
        await call('stop');
        const stopped = performance.now();
        await exited;
        return performance.now() - stopped;
      },
      kill: () => void child.kill('SIGKILL'),
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}
