import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { numbersOf, stringsOf } from '../calls.js';
import type { Cores } from '../cores.js';
import { compareRounds, median, type Comparison } from '../statistics.js';
import { startWorker, type Worker } from '../worker.js';
import { seedStore } from './seed-store.js';

/** What many subscriptions cost, in one respect. */
export interface ScaleReport {
  readonly name: string;
  readonly what: string;
  /** Median of the rounds, in `unit`. */
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, in the same unit; undefined where it stands for itself. */
  readonly floor: number | undefined;
  /** Compared with the floor, round by round. */
  readonly toFloor: Comparison | undefined;
  readonly rounds: readonly number[];
}

/** How the rows of many subscriptions are measured. */
export interface ScaleOptions {
  /** Where stores are written. */
  readonly folder: string;
  readonly cores: Cores | undefined;
  readonly rounds: number;
  /** Subscriptions of the rows `start` and `idle`. */
  readonly many: number;
  /** Renewals of the row `renewal`. */
  readonly renewals: number;
  readonly onProgress: (what: string) => void;
}

export const SCALE_ROWS = ['start', 'idle', 'renewal'] as const;

export type ScaleRow = (typeof SCALE_ROWS)[number];

const TOPIC = 'https://publisher.example/feeds/of/something';
const SECRET = 'what the hub signs with';
const DAY_MS = 86_400_000;

/** Requests in flight at a hub: the package's default, and so many are the floor's. */
const CONCURRENCY = 8;

/** Milliseconds in which a start with the renewals to be measured is over. */
const START_MS = 3_000;

/** Measures the rows that are asked for. */
export async function measureScale(
  rows: ReadonlySet<ScaleRow>,
  options: ScaleOptions,
): Promise<readonly ScaleReport[]> {
  if (rows.size === 0) return [];
  const workers: Worker[] = [];
  const start = (name: string, core: 'server' | 'load', execArgv: readonly string[] = []): Worker => {
    const module = new URL(`${name}.js`, import.meta.url);
    const worker = startWorker(module, { name, cwd: options.folder, core: options.cores?.[core], execArgv });
    workers.push(worker);
    return worker;
  };
  try {
    const hub = start('renewal-hub', 'load');
    const { hub: url } = stringsOf(await hub.call('start'), ['hub']);
    const world = { ...options, start, hub, url };
    const reports: ScaleReport[] = [];
    if (rows.has('start') || rows.has('idle')) reports.push(...(await starts(world, rows)));
    if (rows.has('renewal')) reports.push(await renewals(world));
    await hub.stop();
    return reports;
  } finally {
    for (const worker of workers) worker.kill();
  }
}

interface World extends ScaleOptions {
  readonly start: (name: string, core: 'server' | 'load', execArgv?: readonly string[]) => Worker;
  readonly hub: Worker;
  readonly url: string;
}

async function starts(world: World, rows: ReadonlySet<ScaleRow>): Promise<readonly ScaleReport[]> {
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
          report('start', what, 'ms', milliseconds, floors),
          report('start-heap', 'heap for each of them, after garbage collection', 'bytes', heaps),
        ]
      : []),
    ...(rows.has('idle')
      ? [report('idle', 'CPU of a second in which nothing is due for any of them', 'ms', idles)]
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

async function renewals(world: World): Promise<ScaleReport> {
  const { folder, renewals: count, rounds, url, hub, start, onProgress } = world;
  const [rates, floors]: [number[], number[]] = [[], []];
  const floor = start('renewal-floor', 'server');
  await floor.call('start');
  await hub.call('begin');
  await floor.call('renew', { hub: url, topic: TOPIC, count, concurrency: CONCURRENCY });
  await verified(hub, count);
  for (let round = 0; round < rounds; round += 1) {
    onProgress(`renewal, round ${round + 1} of ${rounds}`);
    await hub.call('begin');
    await floor.call('renew', { hub: url, topic: TOPIC, count, concurrency: CONCURRENCY });
    floors.push(await verified(hub, count));
    const directory = join(mkdtempSync(join(folder, 'due-')), 'store');
    const seed = { directory, hub: url, topic: TOPIC, secret: SECRET, count };
    const port = await seedStore({ ...seed, renewsAt: Date.now() + START_MS + count / 2 });
    await hub.call('begin');
    const subscriber = start('subscriber', 'server');
    await subscriber.call('start', { directory, port });
    rates.push(await verified(hub, count));
    await subscriber.stop();
    rmSync(directory, { recursive: true });
  }
  await floor.stop();
  const what = `${count.toLocaleString('en')} renewals due at once at one hub, ${CONCURRENCY} in flight, beside a bare undici loop`;
  return report('renewal', what, '/s', rates, floors);
}

/** Waits until the hub has verified so many requests; how many it did in a second. */
async function verified(hub: Worker, count: number): Promise<number> {
  for (;;) {
    const seen = numbersOf(await hub.call('seen'), ['verified', 'milliseconds']);
    if (seen.verified >= count) return (seen.verified / seen.milliseconds) * 1_000;
    await wait(50);
  }
}

function report(
  name: string,
  what: string,
  unit: string,
  rounds: readonly number[],
  floors?: readonly number[],
): ScaleReport {
  return {
    name,
    what,
    value: median(rounds),
    unit,
    floor: floors && median(floors),
    toFloor: floors && compareRounds(rounds, floors),
    rounds,
  };
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
