import { parseArgs } from 'node:util';

/** How the benchmark is run. */
export interface BenchOptions {
  /** Scenarios (`inline`) or rows (`inline/2k-json`); empty: all. */
  readonly only: readonly string[];
  /** Leaves out what takes long, unless it is named. */
  readonly quick: boolean;
  /** Whether others' packages are measured too. */
  readonly peers: boolean;
  readonly rounds: number;
  /** Of each row in each round. */
  readonly seconds: number;
  readonly connections: number;
  /** Of what is measured otherwise than by requests to a server. */
  readonly figureRounds: number;
  /** Subscriptions of the rows `start` and `idle`. */
  readonly many: number;
  /** Of the row `renewal`. */
  readonly renewals: number;
  /** Of the row `heap`. */
  readonly deliveries: number;
  /** False: a table. True: JSON on standard output. A path: both, the JSON in that file. */
  readonly json: boolean | string;
  /** Where CPU profiles of the servers are written; undefined: none are made. */
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

/** Wrong usage: the message says what. */
export class UsageError extends Error {}

/**
 * Reads the command line; undefined for `--help`.
 *
 * @throws UsageError
 */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parsed(args);
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

function parsed(args: readonly string[]) {
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

function numberOf(name: string, given: string | undefined, usual: number): number {
  const value = given === undefined ? usual : Number(given);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new UsageError(`--${name} is a number above 0, not "${given}"`);
}
