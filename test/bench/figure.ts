import { compareRounds, median, type Comparison } from './statistics.js';

/** What is measured otherwise than by requests to a server. */
export interface Figure {
  readonly name: string;
  readonly what: string;
  /** What it is to come to, for the reader of the table. */
  readonly aim: string | undefined;
  /** Median of the rounds, in `unit`. */
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, in the same unit; undefined where it stands for itself. */
  readonly floor: number | undefined;
  /** Compared with the floor, round by round. */
  readonly toFloor: Comparison | undefined;
  readonly rounds: readonly number[];
}

/** What was measured, round by round. */
export interface Measured extends Pick<Figure, 'name' | 'what' | 'unit' | 'rounds'> {
  readonly aim?: string;
  /** Of what it is compared with. */
  readonly floors?: readonly number[];
}

/** What the rounds come to. */
export function figureOf({ name, what, unit, rounds, aim, floors }: Measured): Figure {
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
