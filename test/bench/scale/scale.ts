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
export async function measureScale(names: ReadonlySet<FigureName>, options: FigureOptions): Promise<readonly Figure[]> {
  if (!names.has('start') && !names.has('idle') && !names.has('renewal')) return [];
  const workers: Worker[] = [];
  const start = (name: string, core: 'server' | 'load' | 'any', execArgv: readonly string[] = []): Worker => {
    const module = new URL(`${name}.js`, import.meta.url);
    const coreId = core === 'any' ? undefined : options.cores?.[core];
    const worker = startWorker(module, { name, cwd: options.folder, core: coreId, execArgv });
    workers.push(worker);
    return worker;
  };
  try {
    const hub = start('renewal-hub', 'load');
    const { hub: url } = stringsOf(await hub.call('start'), ['hub']);
    const context = { ...options, start, hub, url };
    const figures: Figure[] = [];
    if (names.has('start') || names.has('idle')) figures.push(...(await measureStarts(context, names)));
    if (names.has('renewal')) figures.push(...(await measureRenewals(context)));
    await hub.stop();
    return figures;
  } finally {
    for (const worker of workers) worker.kill();
  }
}

interface ScaleContext extends FigureOptions {
  readonly start: (name: string, core: 'server' | 'load' | 'any', execArgv?: readonly string[]) => Worker;
  readonly hub: Worker;
  readonly url: string;
}

async function measureStarts(context: ScaleContext, names: ReadonlySet<FigureName>): Promise<readonly Figure[]> {
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
    const emptySubscriber = start('subscriber', 'server', ['--expose-gc']);
    await emptySubscriber.call('start', { directory: join(mkdtempSync(join(folder, 'none-')), 'store'), port: 0 });
    const heapBefore = numbersOf(await emptySubscriber.call('heap'), ['bytes']).bytes;
    await emptySubscriber.stop();
    const fullSubscriber = start('subscriber', 'server', ['--expose-gc']);
    milliseconds.push(
      numbersOf(await fullSubscriber.call('start', { directory, port }), ['milliseconds']).milliseconds,
    );
    heaps.push((numbersOf(await fullSubscriber.call('heap'), ['bytes']).bytes - heapBefore) / many);
    if (names.has('idle')) idles.push(await measureIdle(fullSubscriber));
    await fullSubscriber.stop();
  }
  rmSync(directory, { recursive: true });
  const what = `startService with ${many.toLocaleString('en')} stored subscriptions, beside bare lmdb that reads the same rows`;
  return [
    ...(names.has('start')
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
    ...(names.has('idle')
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
async function measureIdle(worker: Worker): Promise<number> {
  const seconds = 5;
  const usage = async (): Promise<number> => numbersOf(await worker.call('usage'), ['cpuMicros']).cpuMicros;
  await wait(2_000);
  const cpuBefore = await usage();
  await wait(seconds * 1_000);
  return ((await usage()) - cpuBefore) / 1_000 / seconds;
}

/** A hub that answers at once shows the work of a renewal. A distant hub shows what delays the next request. */
async function measureRenewals(context: ScaleContext): Promise<readonly Figure[]> {
  const { renewals: count } = context;
  const farCount = Math.max(1, Math.round(count / 10));
  const nearWhat = `${count.toLocaleString('en')} renewals due at once at one hub, ${CONCURRENCY} in flight, beside a bare undici loop`;
  const farWhat = `${farCount.toLocaleString('en')} of them at a hub that answers after ${FAR_MS} ms`;
  const nearRounds = await renewalsAt(context, { count, answerMs: 0 });
  const farRounds = await renewalsAt(context, { count: farCount, answerMs: FAR_MS });
  return [
    figureOf({
      name: 'renewal',
      what: nearWhat,
      aim: RENEWAL_AIM,
      unit: '/s',
      rounds: nearRounds.rates,
      floors: nearRounds.floors,
    }),
    figureOf({
      name: 'renewal-far',
      what: farWhat,
      aim: RENEWAL_AIM,
      unit: '/s',
      rounds: farRounds.rates,
      floors: farRounds.floors,
    }),
    figureOf({
      name: 'renewal-open',
      what: 'requests open at that hub at once, at most',
      unit: '',
      rounds: farRounds.open,
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
  const measureFloor = async (): Promise<number> => {
    await hub.call('begin', { answerMs });
    await floor.call('renew', { hub: url, topic: TOPIC, count, concurrency: CONCURRENCY });
    return (await untilVerified(hub, count)).rate;
  };
  await measureFloor();
  for (let round = 0; round < rounds; round += 1) {
    onProgress(`renewal at a hub that answers after ${answerMs} ms, round ${round + 1} of ${rounds}`);
    floors.push(await measureFloor());
    const directory = join(mkdtempSync(join(folder, 'due-')), 'store');
    const seed = { directory, hub: url, topic: TOPIC, secret: SECRET, count };
    await hub.call('begin', { answerMs: 0 });
    const port = await seedStore({ ...seed, renewsAt: Date.now() + START_MS + count / 2 });
    await hub.call('begin', { answerMs });
    const subscriber = start('subscriber', 'any');
    await subscriber.call('start', { directory, port });
    const progress = await untilVerified(hub, count);
    rates.push(progress.rate);
    open.push(progress.mostOpen);
    await subscriber.stop();
    rmSync(directory, { recursive: true });
  }
  await floor.stop();
  return { rates, floors, open };
}

/** Waits until the hub has verified this many requests. Returns requests per second, and the most open at once. */
async function untilVerified(
  hub: Worker,
  count: number,
): Promise<{ readonly rate: number; readonly mostOpen: number }> {
  for (;;) {
    const progress = numbersOf(await hub.call('progress'), ['verified', 'milliseconds', 'mostOpen']);
    if (progress.verified >= count) {
      return { rate: (progress.verified / progress.milliseconds) * 1_000, mostOpen: progress.mostOpen };
    }
    await wait(50);
  }
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
