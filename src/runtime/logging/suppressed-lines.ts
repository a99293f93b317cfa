/** Log lines of one kind that were left out. */
export interface SuppressedLines {
  readonly count: number;
  /** When the first of them came, in epoch milliseconds. */
  readonly since: number;
  /** The last of them. */
  readonly fields: object;
  readonly message: string;
}

/** Adds one collection of lines to another. */
export function mergeSuppressed(
  one: SuppressedLines | undefined,
  other: SuppressedLines | undefined,
): SuppressedLines | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return { ...other, count: one.count + other.count, since: Math.min(one.since, other.since) };
}

/** Fields and message that tell of lines left out beside one that is written. */
export function withSuppressedCount(
  fields: object,
  message: string,
  leftOut: SuppressedLines,
): [fields: object, message: string] {
  const { count, since } = countOf(leftOut);
  return [{ ...fields, leftOut: count, since }, `${message} (${similar(count)} left out since ${since})`];
}

/** Fields and message that stand for lines left out. */
export function suppressedSummary(leftOut: SuppressedLines): [fields: object, message: string] {
  const { count, since } = countOf(leftOut);
  const message = `${leftOut.message} (the last of ${similar(count)} left out since ${since})`;
  return [{ ...leftOut.fields, leftOut: count, since }, message];
}

const countOf = ({ count, since }: SuppressedLines): { readonly count: number; readonly since: string } => ({
  count,
  since: new Date(since).toISOString(),
});

const similar = (count: number): string => (count === 1 ? '1 similar line' : `${count} similar lines`);
