import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { numbersOf } from '../calls.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { startWorker } from '../worker.js';

const AIM = 'at most 1.5 times the floor';

interface Started {
  /** Milliseconds since the process was spawned. */
  readonly spawned: number;
  /** Milliseconds since node ran the first line of the process. */
  readonly own: number;
  /** The part of `own` until the service listened. */
  readonly listening: number;
}

/** Measures how long a process with one service takes to start with an empty store folder. */
export async function measureFirstStart(options: FigureOptions): Promise<readonly Figure[]> {
  const { rounds, onProgress } = options;
  const [ours, floors]: [Started[], Started[]] = [[], []];
  // The first round finds less in the page cache, so it is a warm-up. A single round runs without one.
  for (let round = rounds === 1 ? 1 : 0; round <= rounds; round += 1) {
    onProgress(`first-start, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`);
    const [floor, own] = [await started('floor', options), await started('subscriber', options)];
    if (round === 0) continue;
    floors.push(floor);
    ours.push(own);
  }
  const figure = (name: string, what: string, field: keyof Started): Figure =>
    figureOf({
      name,
      what,
      aim: AIM,
      unit: 'ms',
      rounds: ours.map((each) => each[field]),
      floors: floors.map((each) => each[field]),
    });
  const beside = 'beside a process that imports h3 and listens';
  return [
    figure('first-start', `from spawn until startService has resolved, all packages loaded, ${beside}`, 'spawned'),
    figure('first-start-own', "the part of it after node's own start-up", 'own'),
    figure('first-start-listening', 'the part of that until the service listens', 'listening'),
  ];
}

async function started(
  name: 'floor' | 'subscriber',
  { folder, cores, subject }: Pick<FigureOptions, 'folder' | 'cores' | 'subject'>,
): Promise<Started> {
  const module = new URL(`${name}.js`, import.meta.url);
  const cwd = mkdtempSync(join(folder, 'first-start-'));
  const before = performance.now();
  const worker = startWorker(module, { name: `first-start/${name}`, cwd, core: cores?.server });
  try {
    const called = await worker.call('start', subject);
    const spawned = performance.now() - before;
    const { milliseconds, listening } = numbersOf(called, ['milliseconds', 'listening']);
    await worker.stop();
    return { spawned, own: milliseconds, listening };
  } finally {
    worker.kill();
  }
}
