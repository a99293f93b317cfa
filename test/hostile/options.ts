import { parseArgs } from 'node:util';

/** Options of a hostile run. */
export interface HostileOptions {
  /** Names of scenarios; empty means all. */
  readonly only: readonly string[];
  readonly scale: number;
  readonly rounds: number;
}

export const USAGE = `npm run hostile -- [options]

  --only NAME   a scenario; several times if need be
  --scale N     from 0 to 1: less of everything, with lower bounds (default 1)
  --rounds N    each in a new process; the figures are their medians (default 3)
  --help
`;

/** A usage error. The message names the wrong option. */
export class UsageError extends Error {}

/**
 * Parses the command line. Returns undefined for `--help`.
 *
 * @param known names of scenarios
 * @throws UsageError for an unknown or invalid option
 */
export function readOptions(args: readonly string[], known: readonly string[]): HostileOptions | undefined {
  const { only = [], scale = '1', rounds = '3', help } = parseOptions(args);
  if (help === true) return undefined;
  const unknownName = only.find((name) => !known.includes(name));
  if (unknownName !== undefined) throw new UsageError(`--only ${unknownName}: the scenarios are ${known.join(', ')}`);
  if (!(Number(scale) > 0 && Number(scale) <= 1))
    throw new UsageError(`--scale is above 0 and at most 1, not ${scale}`);
  if (!(Number.isInteger(Number(rounds)) && Number(rounds) > 0)) {
    throw new UsageError(`--rounds is a whole number above 0, not ${rounds}`);
  }
  return { only, scale: Number(scale), rounds: Number(rounds) };
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        scale: { type: 'string' },
        rounds: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
