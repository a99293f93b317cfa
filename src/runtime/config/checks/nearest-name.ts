/**
 * The known name that a misspelt one was most likely meant to be, without regard to case, or `undefined`.
 *
 * @param maxDistance how many letters may be wrong; a third of them where it is left out
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

/** Levenshtein's distance: the single letters to insert, delete or replace. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [row, letter] of Array.from(left).entries()) {
    const current = [row + 1];
    for (const [column, other] of Array.from(right).entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      const deleted = (previous[column + 1] ?? 0) + 1;
      const inserted = (current[column] ?? 0) + 1;
      current.push(Math.min(replaced, deleted, inserted));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
