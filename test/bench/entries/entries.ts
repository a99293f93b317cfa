import { numbersOf } from '../calls.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { feed20k, youtube2k, type FeedPayload } from '../payloads.js';
import { startWorker, type Worker } from '../worker.js';

/**
 * Measures how fast entries are read from feeds. The floor is feedsmith's `parseFeed`, on the same text and process.
 */
export async function measureEntries({ folder, cores, ...options }: FigureOptions): Promise<readonly Figure[]> {
  const parser = startWorker(new URL('process.js', import.meta.url), {
    name: 'entries',
    cwd: folder,
    core: cores?.server,
  });
  try {
    const figures: Figure[] = [];
    for (const feed of [youtube2k, feed20k]) figures.push(...(await entriesOf(parser, feed, options)));
    await parser.stop();
    return figures;
  } finally {
    parser.kill();
  }
}

async function entriesOf(
  parser: Worker,
  feed: FeedPayload,
  { rounds, seconds, onProgress }: Pick<FigureOptions, 'rounds' | 'seconds' | 'onProgress'>,
): Promise<readonly Figure[]> {
  const milliseconds = (seconds * 1000) / 2;
  const [ours, floors]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    onProgress(`entries of ${feed.name}, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`);
    const [floor, ownRate] = [
      await rateOf(parser, 'floor', feed, milliseconds),
      await rateOf(parser, 'ours', feed, milliseconds),
    ];
    if (round === 0) continue;
    floors.push(floor);
    ours.push(ownRate);
  }
  const name = `entries/${feed.name}`;
  const entryCount = feed.entries === 1 ? 'one entry' : `${feed.entries} entries`;
  const what = `documents of ${feed.bytes.byteLength / 1024} KiB and ${entryCount}, beside feedsmith's bare parseFeed`;
  const documents = figureOf({ name, what, unit: 'documents/s', rounds: ours, floors });
  if (feed.entries === 1) return [documents];
  const inEntries = (rates: readonly number[]): number[] => rates.map((rate) => rate * feed.entries);
  const entryFigure = { name: `${name}/each`, what: 'the same, counted in entries', unit: 'entries/s' };
  return [documents, figureOf({ ...entryFigure, rounds: inEntries(ours), floors: inEntries(floors) })];
}

/** Returns documents per second. */
async function rateOf(parser: Worker, reader: 'floor' | 'ours', feed: FeedPayload, forMs: number): Promise<number> {
  const argument = { reader, text: feed.bytes.toString(), milliseconds: forMs };
  const { documents, entries, milliseconds } = numbersOf(await parser.call('parse', argument), [
    'documents',
    'entries',
    'milliseconds',
  ]);
  if (entries === documents * feed.entries) return (documents / milliseconds) * 1000;
  throw new Error(`${reader} found ${entries / documents} of the ${feed.entries} entries of ${feed.name}`);
}
