import { compareRounds, median, type Comparison } from './statistics.js';

/** A measurement other than requests to a server. */
export interface Figure {
  readonly name: string;
  readonly what: string;
  /** The goal, for the reader of the table. */
  readonly aim: string | undefined;
  /** Median of the rounds, in `unit`. */
  readonly value: number;
  readonly unit: string;
  /** The reference value in the same unit; undefined without one. */
  readonly floor: number | undefined;
  /** Ratios to the floor, round by round. */
  readonly toFloor: Comparison | undefined;
  readonly rounds: readonly number[];
}

/** Measured values, round by round. */
export interface Measurement extends Pick<Figure, 'name' | 'what' | 'unit' | 'rounds'> {
  readonly aim?: string;
  /** The reference values. */
  readonly floors?: readonly number[];
}

/** Combines the rounds into a figure. */
export function figureOf({ name, what, unit, rounds, aim, floors }: Measurement): Figure {
  return {
    name,
    what,
    aim,
    value: median(rounds),
    unit,
    floor: floors && median(floors),
    toFloor: floors && compareRounds(rounds, floors),
    rounds,
  };
}
