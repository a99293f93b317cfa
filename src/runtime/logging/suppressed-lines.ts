/** Log lines of one kind that were not written. */
export interface SuppressedLines {
  readonly count: number;
  /** The time of the first line, in epoch milliseconds. */
  readonly since: number;
  /** The fields and message of the last line. */
  readonly fields: object;
  readonly message: string;
}

/** Merges two counts. The result has the last line of `other`. */
export function mergeSuppressed(
  one: SuppressedLines | undefined,
  other: SuppressedLines | undefined,
): SuppressedLines | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return { ...other, count: one.count + other.count, since: Math.min(one.since, other.since) };
}

/** Adds the count of suppressed lines to a line that is written. */
export function withSuppressedCount(
  fields: object,
  message: string,
  suppressed: SuppressedLines,
): [fields: object, message: string] {
  const { count, since } = countOf(suppressed);
  return [{ ...fields, leftOut: count, since }, `${message} (${similar(count)} left out since ${since})`];
}

/** Returns a line that stands for the suppressed lines: the last of them, with the count. */
export function suppressedSummary(suppressed: SuppressedLines): [fields: object, message: string] {
  const { count, since } = countOf(suppressed);
  const message = `${suppressed.message} (the last of ${similar(count)} left out since ${since})`;
  return [{ ...suppressed.fields, leftOut: count, since }, message];
}

const countOf = ({ count, since }: SuppressedLines): { readonly count: number; readonly since: string } => ({
  count,
  since: new Date(since).toISOString(),
});

const similar = (count: number): string => (count === 1 ? '1 similar line' : `${count} similar lines`);
