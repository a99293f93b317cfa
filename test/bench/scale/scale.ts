import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { numbersOf, stringsOf } from '../calls.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureName, FigureOptions } from '../figures.js';
import { startWorker, type Worker } from '../worker.js';
import { seedStore } from './seed-store.js';

const TOPIC = 'https://publisher.example/feeds/of/something';
const SECRET = 'what the hub signs with';
const RENEWAL_AIM = "at least 0.7 of the loop's rate";
const DAY_MS = 86_400_000;

/** Requests in flight at a hub: the package's default, also used by the floor. */
const CONCURRENCY = 8;

/** Milliseconds a distant hub takes to answer. */
const FAR_MS = 25;

/** Milliseconds a start takes before the measured renewals are due. */
const START_MS = 3_000;

/** Measures the cost of many subscriptions, for the selected figures. */
export async function measureScale(rows: ReadonlySet<FigureName>, options: FigureOptions): Promise<readonly Figure[]> {
  if (!rows.has('start') && !rows.has('idle') && !rows.has('renewal')) return [];
  const workers: Worker[] = [];
  const start = (name: string, core: 'server' | 'load' | 'any', execArgv: readonly string[] = []): Worker => {
    const module = new URL(`${name}.js`, import.meta.url);
    const on = core === 'any' ? undefined : options.cores?.[core];
    const worker = startWorker(module, { name, cwd: options.folder, core: on, execArgv });
    workers.push(worker);
    return worker;
  };
  try {
    const hub = start('renewal-hub', 'load');
    const { hub: url } = stringsOf(await hub.call('start'), ['hub']);
    const context = { ...options, start, hub, url };
    const reports: Figure[] = [];
    if (rows.has('start') || rows.has('idle')) reports.push(...(await starts(context, rows)));
    if (rows.has('renewal')) reports.push(...(await renewals(context)));
    await hub.stop();
    return reports;
  } finally {
    for (const worker of workers) worker.kill();
  }
}

interface ScaleContext extends FigureOptions {
  readonly start: (name: string, core: 'server' | 'load' | 'any', execArgv?: readonly string[]) => Worker;
  readonly hub: Worker;
  readonly url: string;
}

async function starts(context: ScaleContext, rows: ReadonlySet<FigureName>): Promise<readonly Figure[]> {
  const { folder, many, rounds, url, start, onProgress } = context;
  onProgress(`writing a store of ${many} subscriptions`);
  const directory = join(mkdtempSync(join(folder, 'many-')), 'store');
  const seed = { directory, hub: url, topic: TOPIC, secret: SECRET, count: many };
  const port = await seedStore({ ...seed, renewsAt: Date.now() + 8 * DAY_MS });
  const [milliseconds, floors, heaps, idles]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let round = 0; round < rounds; round += 1) {
    onProgress(`start, round ${round + 1} of ${rounds}`);
    const floor = start('read-floor', 'server');
    floors.push(numbersOf(await floor.call('start', { directory }), ['milliseconds']).milliseconds);
    await floor.stop();
    const empty = start('subscriber', 'server', ['--expose-gc']);
    await empty.call('start', { directory: join(mkdtempSync(join(folder, 'none-')), 'store'), port: 0 });
    const before = numbersOf(await empty.call('heap'), ['bytes']).bytes;
    await empty.stop();
    const full = start('subscriber', 'server', ['--expose-gc']);
    milliseconds.push(numbersOf(await full.call('start', { directory, port }), ['milliseconds']).milliseconds);
    heaps.push((numbersOf(await full.call('heap'), ['bytes']).bytes - before) / many);
    if (rows.has('idle')) idles.push(await idle(full));
    await full.stop();
  }
  rmSync(directory, { recursive: true });
  const what = `startService with ${many.toLocaleString('en')} stored subscriptions, beside bare lmdb that reads the same rows`;
  return [
    ...(rows.has('start')
      ? [
          figureOf({ name: 'start', what, aim: 'under 3 s', unit: 'ms', rounds: milliseconds, floors }),
          figureOf({
            name: 'start-heap',
            what: 'heap for each of them, after garbage collection',
            aim: 'under 1,536 bytes',
            unit: 'bytes',
            rounds: heaps,
          }),
        ]
      : []),
    ...(rows.has('idle')
      ? [
          figureOf({
            name: 'idle',
            what: 'CPU of a second in which nothing is due for any of them',
            aim: 'under 1 ms',
            unit: 'ms',
            rounds: idles,
          }),
        ]
      : []),
  ];
}

/** Returns the CPU milliseconds per second with nothing due: one tick, plus the other work of the process. */
async function idle(worker: Worker): Promise<number> {
  const seconds = 5;
  const usage = async (): Promise<number> => numbersOf(await worker.call('usage'), ['cpuMicros']).cpuMicros;
  await wait(2_000);
  const before = await usage();
  await wait(seconds * 1_000);
  return ((await usage()) - before) / 1_000 / seconds;
}

/** A hub that answers at once shows the work of a renewal. A distant hub shows what delays the next request. */
async function renewals(context: ScaleContext): Promise<readonly Figure[]> {
  const { renewals: count } = context;
  const far = Math.max(1, Math.round(count / 10));
  const atOnce = `${count.toLocaleString('en')} renewals due at once at one hub, ${CONCURRENCY} in flight, beside a bare undici loop`;
  const farWhat = `${far.toLocaleString('en')} of them at a hub that answers after ${FAR_MS} ms`;
  const near = await renewalsAt(context, { count, answerMs: 0 });
  const farAway = await renewalsAt(context, { count: far, answerMs: FAR_MS });
  return [
    figureOf({ name: 'renewal', what: atOnce, aim: RENEWAL_AIM, unit: '/s', rounds: near.rates, floors: near.floors }),
    figureOf({
      name: 'renewal-far',
      what: farWhat,
      aim: RENEWAL_AIM,
      unit: '/s',
      rounds: farAway.rates,
      floors: farAway.floors,
    }),
    figureOf({
      name: 'renewal-open',
      what: 'requests open at that hub at once, at most',
      unit: '',
      rounds: farAway.open,
    }),
  ];
}

interface RenewalRounds {
  readonly rates: readonly number[];
  readonly floors: readonly number[];
  readonly open: readonly number[];
}

async function renewalsAt(
  { folder, rounds, url, hub, start, onProgress }: ScaleContext,
  { count, answerMs }: { readonly count: number; readonly answerMs: number },
): Promise<RenewalRounds> {
  const [rates, floors, open]: [number[], number[], number[]] = [[], [], []];
  // Not pinned: the store writes in its own threads, which would wait for the core of the main thread.
  const floor = start('renewal-floor', 'any');
  await floor.call('start');
  const atFloor = async (): Promise<number> => {
    await hub.call('begin', { answerMs });
    await floor.call('renew', { hub: url, topic: TOPIC, count, concurrency: CONCURRENCY });
    return (await verified(hub, count)).rate;
  };
  await atFloor();
  for (let round = 0; round < rounds; round += 1) {
    onProgress(`renewal at a hub that answers after ${answerMs} ms, round ${round + 1} of ${rounds}`);
    floors.push(await atFloor());
    const directory = join(mkdtempSync(join(folder, 'due-')), 'store');
    const seed = { directory, hub: url, topic: TOPIC, secret: SECRET, count };
    await hub.call('begin', { answerMs: 0 });
    const port = await seedStore({ ...seed, renewsAt: Date.now() + START_MS + count / 2 });
    await hub.call('begin', { answerMs });
    const subscriber = start('subscriber', 'any');
    await subscriber.call('start', { directory, port });
    const progress = await verified(hub, count);
    rates.push(progress.rate);
    open.push(progress.mostOpen);
    await subscriber.stop();
    rmSync(directory, { recursive: true });
  }
  await floor.stop();
  return { rates, floors, open };
}

/** Waits until the hub has verified this many requests. Returns requests per second, and the most open at once. */
async function verified(hub: Worker, count: number): Promise<{ readonly rate: number; readonly mostOpen: number }> {
  for (;;) {
    const progress = numbersOf(await hub.call('progress'), ['verified', 'milliseconds', 'mostOpen']);
    if (progress.verified >= count) {
      return { rate: (progress.verified / progress.milliseconds) * 1_000, mostOpen: progress.mostOpen };
    }
    await wait(50);
  }
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
