import type { Seen } from './subject/watch.js';

export const MIB = 1024 * 1024;

/** What is measured in a scenario, and how much it may come to. */
export interface Bound {
  readonly figure: string;
  readonly unit: string;
  /** At the scale of the run: 1, or less. */
  readonly most: (scale: number) => number;
}

/** How one scenario is run once. */
export interface Attack {
  /** The compiled `subject/subject.ts`. */
  readonly subject: string;
  /** 1, or less for less of everything. */
  readonly scale: number;
}

/** An attack, or a mishap. To add one, write one of these and name it in `scenarios.ts`. */
export interface Scenario {
  readonly name: string;
  /** What happens, for the reader of the table. */
  readonly what: string;
  readonly bounds: readonly Bound[];
  /** @returns a value for each bound */
  readonly run: (attack: Attack) => Promise<Readonly<Record<string, number>>>;
}

export const fixed =
  (most: number): Bound['most'] =>
  () =>
    most;

/** Bounds that all floods have. At a lower scale less is due to the flood, and as much to the process itself. */
export const PROCESS_BOUNDS: readonly Bound[] = [
  { figure: 'blocks', unit: 'ms', most: fixed(250) },
  { figure: 'resident', unit: 'MiB', most: (scale) => 48 + 80 * scale },
  { figure: 'heap', unit: 'MiB', most: (scale) => 5 + 25 * scale },
];

/** The figures of {@link PROCESS_BOUNDS}. */
export function processFigures({ gapMs, resident, heap }: Seen): Readonly<Record<string, number>> {
  return { blocks: gapMs, resident: resident / MIB, heap: heap / MIB };
}

/** Never none: a scenario scaled down does less of everything, but does it. */
export function scaled(count: number, scale: number): number {
  return Math.max(1, Math.round(count * scale));
}
