import { parseArgs } from 'node:util';

/** Options of a benchmark run. */
export interface BenchOptions {
  /** Scenarios (`inline`) or rows (`inline/2k-json`); empty means all. */
  readonly only: readonly string[];
  /** Leaves out long measurements, unless `only` names them. */
  readonly quick: boolean;
  /** Whether to measure other packages too. */
  readonly peers: boolean;
  readonly rounds: number;
  /** Seconds per row and round. */
  readonly seconds: number;
  readonly connections: number;
  /** Rounds of the figures. */
  readonly figureRounds: number;
  /** Subscriptions in the figures `start` and `idle`. */
  readonly many: number;
  /** Renewals in the figure `renewal`. */
  readonly renewals: number;
  /** Deliveries in the figure `heap`. */
  readonly deliveries: number;
  /** False prints a table. True prints JSON. A path prints the table and writes the JSON to that file. */
  readonly json: boolean | string;
  /** Folder for CPU profiles of the servers; undefined writes none. */
  readonly profiles: string | undefined;
}

export const USAGE = `npm run bench -- [options]

  --only NAME        a scenario (inline), a row (inline/2k-json), or a figure: start, idle, renewal, heap, memory, paced,
                     first-start, discovery, entries; several times if need be; what it is compared with is run too
  --quick            within a minute: 5 rounds of 0.1 s instead of 9 of 3 s, and one instead of 5 of the figures, which are
                     smaller (20,000 subscriptions, 1,000 renewals, 200,000 deliveries); leaves out what takes long,
                     unless it is named. What it measures is less certain
  --no-peers         without the packages of others that npm installs into test/bench/peers at the first run
  --json [FILE]      JSON instead of the table, or beside it in a file (npm run -s keeps npm's own lines out)
  --rounds N, --seconds N, --connections N
  --many N, --renewals N, --deliveries N
                     instead of 100,000 subscriptions, 10,000 renewals, and 1,000,000 deliveries (heap)
  --cpu-profile DIR  write a CPU profile of each server: measures less well
  --help
`;

/** A usage error. The message names the wrong option. */
export class UsageError extends Error {}

/**
 * Parses the command line. Returns undefined for `--help`.
 *
 * @throws UsageError for an unknown or invalid option
 */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseOptions(args);
  if (values.help === true) return undefined;
  const [file, ...more] = positionals;
  if (more.length > 0 || (file !== undefined && values.json !== true)) {
    throw new UsageError(`What is "${positionals.join(' ')}"? Only --json takes a file`);
  }
  const quick = values.quick === true;
  const rounds = numberOf('rounds', values.rounds, quick ? 5 : 9);
  const connections = numberOf('connections', values.connections, 64);
  const many = numberOf('many', values.many, quick ? 20_000 : 100_000);
  const renewals = numberOf('renewals', values.renewals, quick ? 1_000 : 10_000);
  const deliveries = numberOf('deliveries', values.deliveries, quick ? 200_000 : 1_000_000);
  if (![rounds, connections, many, renewals, deliveries].every(Number.isInteger)) {
    throw new UsageError('--rounds, --connections, --many, --renewals and --deliveries are whole numbers');
  }
  return {
    only: values.only ?? [],
    quick,
    peers: values['no-peers'] !== true,
    rounds,
    seconds: numberOf('seconds', values.seconds, quick ? 0.1 : 3),
    connections,
    figureRounds: values.rounds === undefined ? (quick ? 1 : 5) : rounds,
    many,
    renewals,
    deliveries,
    json: file ?? values.json ?? false,
    profiles: values['cpu-profile'],
  };
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        quick: { type: 'boolean' },
        'no-peers': { type: 'boolean' },
        json: { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        connections: { type: 'string' },
        many: { type: 'string' },
        renewals: { type: 'string' },
        deliveries: { type: 'string' },
        'cpu-profile': { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function numberOf(name: string, option: string | undefined, defaultValue: number): number {
  const value = option === undefined ? defaultValue : Number(option);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new UsageError(`--${name} is a number above 0, not "${option}"`);
}
