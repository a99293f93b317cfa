import { numbersOf, stringsOf } from '../calls.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { startWorker, type Worker } from '../worker.js';

type Cost = Record<'cpuMicros' | 'bytes', number>;

/**
 * Measures discovery in a document of 5 MiB with the hub link in its head. The floor is a document of only that head.
 */
export async function measureDiscovery(options: FigureOptions): Promise<readonly Figure[]> {
  const { folder, cores, rounds, seconds, subject, onProgress } = options;
  const workers: Worker[] = [];
  const start = (name: string, core: number | undefined): Worker => {
    const worker = startWorker(new URL(`${name}.js`, import.meta.url), { name, cwd: folder, core });
    workers.push(worker);
    return worker;
  };
  try {
    const [publisher, reader] = [start('publisher', cores?.load), start('reader', cores?.server)];
    const { origin } = stringsOf(await publisher.call('start', subject), ['origin']);
    const milliseconds = (seconds * 1000) / 2;
    const costOf = async (path: string): Promise<Cost> => {
      const argument = { url: `${origin}/${path}`, hub: subject.hub, topic: subject.topic, milliseconds };
      return numbersOf(await reader.call('discover', argument), ['cpuMicros', 'bytes']);
    };
    const figures: Figure[] = [];
    for (const name of ['page', 'feed']) {
      const [wholeCosts, headCosts]: [Cost[], Cost[]] = [[], []];
      for (let round = 0; round <= rounds; round += 1) {
        onProgress(`discovery in a ${name}, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`);
        const [headCost, wholeCost] = [await costOf(`${name}/head`), await costOf(`${name}/whole`)];
        if (round === 0) continue;
        headCosts.push(headCost);
        wholeCosts.push(wholeCost);
      }
      const figure = (suffix: string, what: string, unit: string, field: keyof Cost): Figure =>
        figureOf({
          name: `discovery/${name}${suffix}`,
          what,
          aim: 'what its head costs',
          unit,
          rounds: wholeCosts.map((cost) => cost[field]),
          floors: headCosts.map((cost) => cost[field]),
        });
      const what = `CPU of finding the hub of a ${name} of 5 MiB, beside one that is only its head`;
      figures.push(
        figure('', what, 'µs', 'cpuMicros'),
        figure('/bytes', 'bytes read for it, of which a single read brings up to 65,536', 'bytes', 'bytes'),
      );
    }
    for (const worker of workers.toReversed()) await worker.stop();
    return figures;
  } finally {
    for (const worker of workers) worker.kill();
  }
}
