/** Log lines of one kind that were not written. */
export interface SuppressedLines {
  readonly count: number;
  /** The time of the first line, in epoch milliseconds. */
  readonly since: number;
  /** The fields and message of the last line. */
  readonly fields: object;
  readonly message: string;
}

/**
 * A line that is not written. If it already counts lines that were suppressed where it was logged, these count as well.
 *
 * @param now epoch milliseconds
 */
export function suppressedLine(fields: object, message: string, now: number): SuppressedLines {
  return { count: 1 + suppressedIn(fields), since: now, fields, message };
}

function suppressedIn(fields: object): number {
  return 'suppressed' in fields && typeof fields.suppressed === 'number' ? fields.suppressed : 0;
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
  const count = suppressed.count + suppressedIn(fields);
  const since = new Date(suppressed.since).toISOString();
  return [{ ...fields, suppressed: count, since }, `${message} (${similar(count)} suppressed since ${since})`];
}

/** Returns a line that stands for the suppressed lines: the last of them, with the count. */
export function suppressedSummary(suppressed: SuppressedLines): [fields: object, message: string] {
  const { count, fields } = suppressed;
  const since = new Date(suppressed.since).toISOString();
  // A single line is not a summary: it is only late.
  const note = count === 1 ? `delayed, from ${since}` : `the last of ${similar(count)} suppressed since ${since}`;
  const message = `${suppressed.message} (${note})`;
  return [{ ...fields, suppressed: count, since }, message];
}

const similar = (count: number): string => (count === 1 ? '1 similar line' : `${count} similar lines`);
