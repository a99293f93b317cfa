/** Returns a percentile by nearest rank. `fraction` is from 0 to 1; the values must be ascending. */
export function percentile(ascending: ArrayLike<number>, fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * ascending.length));
  const value = ascending[rank - 1];
  if (value === undefined) throw new RangeError('There is no percentile of no values');
  return value;
}

/** Returns the middle value, or the mean of the two middle values. */
export function median(values: readonly number[]): number {
  const ascending = values.toSorted((left, right) => left - right);
  const half = ascending.length / 2;
  return (percentile(ascending, 0.5) + (ascending[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** The ratios of a row to another row over all rounds. */
export interface Comparison {
  /** Median of the ratios. */
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Compares round by round. A slow round slows both sides, so their ratio stays the same. */
export function compareRounds(values: readonly number[], references: readonly number[]): Comparison {
  if (values.length !== references.length) throw new RangeError('Only rounds of one run can be compared');
  const ratios = values.map((value, round) => value / (references[round] ?? Number.NaN));
  return { median: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
}
