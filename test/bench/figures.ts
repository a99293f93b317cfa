import type { Cores } from './cores.js';
import { measureEntries } from './entries/entries.js';
import type { Figure } from './figure.js';
import { measureDiscovery } from './discovery/discovery.js';
import { measureFirstStart } from './first-start/first-start.js';
import { measureHeap } from './heap/heap.js';
import { measureMemory } from './memory/memory.js';
import { measurePaced } from './paced/paced.js';
import type { BenchOptions } from './options.js';
import type { Subject } from './rounds.js';
import { measureScale } from './scale/scale.js';

/** Options of the figures. */
export interface FigureOptions extends Pick<BenchOptions, 'seconds' | 'many' | 'renewals' | 'deliveries'> {
  /** Folder for the stores. */
  readonly folder: string;
  readonly cores: Cores | undefined;
  readonly rounds: number;
  /** Hub, topic and secret of the deliveries. */
  readonly subject: Subject;
  readonly onProgress: (what: string) => void;
}

export const FIGURES = [
  'start',
  'idle',
  'renewal',
  'heap',
  'memory',
  'paced',
  'first-start',
  'discovery',
  'entries',
] as const;

export type FigureName = (typeof FIGURES)[number];

/** Figures that `--quick` leaves out: they mean little on a small scale, or wait for seconds. */
export const LONG_FIGURES: ReadonlySet<FigureName> = new Set(['start', 'idle', 'renewal', 'heap']);

/** Measures the selected figures. */
export async function measureFigures(
  names: ReadonlySet<FigureName>,
  options: FigureOptions,
): Promise<readonly Figure[]> {
  return [
    ...(await measureScale(names, options)),
    ...(names.has('heap') ? await measureHeap(options) : []),
    ...(names.has('memory') ? await measureMemory(options) : []),
    ...(names.has('paced') ? await measurePaced(options) : []),
    ...(names.has('first-start') ? await measureFirstStart(options) : []),
    ...(names.has('discovery') ? await measureDiscovery(options) : []),
    ...(names.has('entries') ? await measureEntries(options) : []),
  ];
}
