import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { numbersOf } from '../calls.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { startWorker } from '../worker.js';

const AIM = 'at most 1.5 times the floor';

interface StartTimes {
  /** Milliseconds since the process was spawned. */
  readonly sinceSpawn: number;
  /** Milliseconds since node ran the first line of the process. */
  readonly sinceFirstLine: number;
  /** The part of `sinceFirstLine` until the service listened. */
  readonly untilListening: number;
}

/** Measures how long a process with one service takes to start with an empty store folder. */
export async function measureFirstStart(options: FigureOptions): Promise<readonly Figure[]> {
  const { rounds, onProgress } = options;
  const [ours, floors]: [StartTimes[], StartTimes[]] = [[], []];
  // The first round finds less in the page cache, so it is a warm-up. A single round runs without one.
  for (let round = rounds === 1 ? 1 : 0; round <= rounds; round += 1) {
    onProgress(`first-start, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`);
    const [floor, subscriber] = [await measureStart('floor', options), await measureStart('subscriber', options)];
    if (round === 0) continue;
    floors.push(floor);
    ours.push(subscriber);
  }
  const figure = (name: string, what: string, field: keyof StartTimes): Figure =>
    figureOf({
      name,
      what,
      aim: AIM,
      unit: 'ms',
      rounds: ours.map((times) => times[field]),
      floors: floors.map((times) => times[field]),
    });
  const beside = 'beside a process that imports h3 and listens';
  return [
    figure('first-start', `from spawn until startService has resolved, all packages loaded, ${beside}`, 'sinceSpawn'),
    figure('first-start-own', "the part of it after node's own start-up", 'sinceFirstLine'),
    figure('first-start-listening', 'the part of that until the service listens', 'untilListening'),
  ];
}

async function measureStart(
  name: 'floor' | 'subscriber',
  { folder, cores, subject }: Pick<FigureOptions, 'folder' | 'cores' | 'subject'>,
): Promise<StartTimes> {
  const module = new URL(`${name}.js`, import.meta.url);
  const cwd = mkdtempSync(join(folder, 'first-start-'));
  const spawnedAt = performance.now();
  const worker = startWorker(module, { name: `first-start/${name}`, cwd, core: cores?.server });
  try {
    const reply = await worker.call('start', subject);
    const sinceSpawn = performance.now() - spawnedAt;
    const { milliseconds, listening } = numbersOf(reply, ['milliseconds', 'listening']);
    await worker.stop();
    return { sinceSpawn, sinceFirstLine: milliseconds, untilListening: listening };
  } finally {
    worker.kill();
  }
}
