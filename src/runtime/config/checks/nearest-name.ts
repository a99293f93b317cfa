/**
 * Returns the known name closest to a misspelled one, ignoring case; `undefined` if none is close enough.
 *
 * @param maxDistance maximum edits for a candidate; by default a third of its letters, rounded up
 */
export function nearestName(
  name: string,
  known: readonly string[],
  maxDistance = (candidate: string): number => Math.ceil(candidate.length / 3),
): string | undefined {
  const distances = known.map((candidate) => ({
    candidate,
    distance: editDistance(name.toLowerCase(), candidate.toLowerCase()),
  }));
  const nearest = distances.sort((left, right) => left.distance - right.distance)[0];
  return nearest !== undefined && nearest.distance <= maxDistance(nearest.candidate) ? nearest.candidate : undefined;
}

/** Levenshtein distance: the number of letters to insert, delete or replace. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [row, letter] of Array.from(left).entries()) {
    const current = [row + 1];
    for (const [column, rightLetter] of Array.from(right).entries()) {
      const replaced = (previous[column] ?? 0) + (letter === rightLetter ? 0 : 1);
      const deleted = (previous[column + 1] ?? 0) + 1;
      const inserted = (current[column] ?? 0) + 1;
      current.push(Math.min(replaced, deleted, inserted));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
