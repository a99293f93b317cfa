import type { Peaks } from './subject/watch.js';

export const MIB = 1024 * 1024;

/** A measured figure and its bound. */
export interface Bound {
  readonly figure: string;
  readonly unit: string;
  /** Upper bound at the scale of the run (1 or less). */
  readonly most: (scale: number) => number;
}

/** Options of one run of a scenario. */
export interface Attack {
  /** Path of the compiled `subject/subject.ts`. */
  readonly subject: string;
  /** Size of the attack; less than 1 reduces everything. */
  readonly scale: number;
}

/** An attack or a failure. To add one, write a scenario and list it in `scenarios.ts`. */
export interface Scenario {
  readonly name: string;
  /** Description for the reader of the table. */
  readonly what: string;
  readonly bounds: readonly Bound[];
  /** @returns a value for each bound */
  readonly run: (attack: Attack) => Promise<Readonly<Record<string, number>>>;
}

export const fixed =
  (most: number): Bound['most'] =>
  () =>
    most;

/** Bounds of every flood. At a lower scale the flood uses less memory, but the process itself uses as much. */
export const PROCESS_BOUNDS: readonly Bound[] = [
  { figure: 'blocks', unit: 'ms', most: fixed(250) },
  { figure: 'resident', unit: 'MiB', most: (scale) => 48 + 80 * scale },
  { figure: 'heap', unit: 'MiB', most: (scale) => 5 + 25 * scale },
];

/** The figures of {@link PROCESS_BOUNDS}. */
export function processFigures({ gapMs, resident, heap }: Peaks): Readonly<Record<string, number>> {
  return { blocks: gapMs, resident: resident / MIB, heap: heap / MIB };
}

/** Scales a count, at least to 1: a scaled-down scenario still does everything. */
export function scaled(count: number, scale: number): number {
  return Math.max(1, Math.round(count * scale));
}
