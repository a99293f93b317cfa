/** The value below which lies a fraction (from 0 to 1) of ascending values, by nearest rank. */
export function percentile(ascending: ArrayLike<number>, fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * ascending.length));
  const value = ascending[rank - 1];
  if (value === undefined) throw new RangeError('There is no percentile of no values');
  return value;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const ascending = values.toSorted((one, other) => one - other);
  const half = ascending.length / 2;
  return (percentile(ascending, 0.5) + (ascending[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** What is left of a row when all its rounds are compared with those of another row. */
export interface Comparison {
  /** The median of the ratios. */
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Compares round by round: what slows a whole round down slows both sides and leaves their ratio alone. */
export function compareRounds(values: readonly number[], others: readonly number[]): Comparison {
  if (values.length !== others.length) throw new RangeError('Only rounds of one run can be compared');
  const ratios = values.map((value, round) => value / (others[round] ?? Number.NaN));
  return { median: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
}
