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

/** Requests in flight at a hub: the package's default, and so many are the floor's. */
const CONCURRENCY = 8;

/** Milliseconds that a hub takes to answer that is not on this machine. */
const FAR_MS = 25;

/** Milliseconds in which a start with the renewals to be measured is over. */
const START_MS = 3_000;

/** Measures what many subscriptions cost, in the respects that are asked for. */
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
    const world = { ...options, start, hub, url };
    const reports: Figure[] = [];
    if (rows.has('start') || rows.has('idle')) reports.push(...(await starts(world, rows)));
    if (rows.has('renewal')) reports.push(...(await renewals(world)));
    await hub.stop();
    return reports;
  } finally {
    for (const worker of workers) worker.kill();
  }
}

interface World extends FigureOptions {
  readonly start: (name: string, core: 'server' | 'load' | 'any', execArgv?: readonly string[]) => Worker;
  readonly hub: Worker;
  readonly url: string;
}

async function starts(world: World, rows: ReadonlySet<FigureName>): Promise<readonly Figure[]> {
  const { folder, many, rounds, url, start, onProgress } = world;
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

/** The CPU of a second with nothing to do, in milliseconds: one tick, and what the process does besides. */
async function idle(worker: Worker): Promise<number> {
  const seconds = 5;
  const usage = async (): Promise<number> => numbersOf(await worker.call('usage'), ['cpuMicros']).cpuMicros;
  await wait(2_000);
  const before = await usage();
  await wait(seconds * 1_000);
  return ((await usage()) - before) / 1_000 / seconds;
}

/** A hub whose answers take no time shows the work of a renewal; one that is away, what is in the way of the next request. */
async function renewals(world: World): Promise<readonly Figure[]> {
  const { renewals: count } = world;
  const far = Math.max(1, Math.round(count / 10));
  const atOnce = `${count.toLocaleString('en')} renewals due at once at one hub, ${CONCURRENCY} in flight, beside a bare undici loop`;
  const away = `${far.toLocaleString('en')} of them at a hub that answers after ${FAR_MS} ms`;
  const near = await renewalsAt(world, { count, answerMs: 0 });
  const afar = await renewalsAt(world, { count: far, answerMs: FAR_MS });
  return [
    figureOf({ name: 'renewal', what: atOnce, aim: RENEWAL_AIM, unit: '/s', rounds: near.rates, floors: near.floors }),
    figureOf({
      name: 'renewal-far',
      what: away,
      aim: RENEWAL_AIM,
      unit: '/s',
      rounds: afar.rates,
      floors: afar.floors,
    }),
    figureOf({ name: 'renewal-open', what: 'requests open at that hub at once, at most', unit: '', rounds: afar.open }),
  ];
}

interface RenewalRounds {
  readonly rates: readonly number[];
  readonly floors: readonly number[];
  readonly open: readonly number[];
}

async function renewalsAt(
  { folder, rounds, url, hub, start, onProgress }: World,
  { count, answerMs }: { readonly count: number; readonly answerMs: number },
): Promise<RenewalRounds> {
  const [rates, floors, open]: [number[], number[], number[]] = [[], [], []];
  // On any core: the store writes in threads of its own, which would wait for the one that has to go on meanwhile.
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
    const seen = await verified(hub, count);
    rates.push(seen.rate);
    open.push(seen.mostOpen);
    await subscriber.stop();
    rmSync(directory, { recursive: true });
  }
  await floor.stop();
  return { rates, floors, open };
}

/** Waits until the hub has verified so many requests; how many it did in a second, and had open at once. */
async function verified(hub: Worker, count: number): Promise<{ readonly rate: number; readonly mostOpen: number }> {
  for (;;) {
    const seen = numbersOf(await hub.call('seen'), ['verified', 'milliseconds', 'mostOpen']);
    if (seen.verified >= count) {
      return { rate: (seen.verified / seen.milliseconds) * 1_000, mostOpen: seen.mostOpen };
    }
    await wait(50);
  }
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
