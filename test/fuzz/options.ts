import { parseArgs } from 'node:util';

/** Options of a fuzz run. */
export interface FuzzOptions {
  /** Names of targets; empty means all. */
  readonly only: readonly string[];
  /** Minutes for all targets together. */
  readonly minutes: number;
  readonly seed: number;
  /** Number of inputs for all targets together. */
  readonly inputs: number;
  /** Number of a single input to run. */
  readonly input: number | undefined;
  /** Whether `input` is one of the large inputs. */
  readonly large: boolean;
}

export const USAGE = `npm run fuzz -- [options]

  --minutes N   at most; each target has an equal part of them (default 30)
  --only NAME   a target; several times if need be
  --seed N      other inputs than those of the seed before (default 1)
  --inputs N    of all targets together, at most 4 KiB each; 50,000 a target at least (default 1000000)
  --input N     a single input of one target, as a finding names it
  --large       that input is one of the large ones
  --help
`;

/** A usage error. The message names the wrong option. */
export class UsageError extends Error {}

/**
 * Parses the command line. Returns undefined for `--help`.
 *
 * @param known names of targets
 * @throws UsageError for an unknown or invalid option
 */
export function readOptions(args: readonly string[], known: readonly string[]): FuzzOptions | undefined {
  const { only = [], minutes = '30', seed = '1', inputs = '1000000', input, large = false, help } = parseOptions(args);
  if (help === true) return undefined;
  const unknownName = only.find((name) => !known.includes(name));
  if (unknownName !== undefined) throw new UsageError(`--only ${unknownName}: the targets are ${known.join(', ')}`);
  if (!(Number(minutes) > 0)) throw new UsageError(`--minutes is a number above 0, not ${minutes}`);
  if (input !== undefined && only.length !== 1) throw new UsageError('--input needs the target it is of: --only NAME');
  return {
    only,
    minutes: Number(minutes),
    seed: wholeNumber('seed', seed),
    inputs: wholeNumber('inputs', inputs),
    input: input === undefined ? undefined : wholeNumber('input', input),
    large,
  };
}

function wholeNumber(name: string, value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new UsageError(`--${name} is a whole number, not ${value}`);
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        inputs: { type: 'string' },
        input: { type: 'string' },
        large: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
