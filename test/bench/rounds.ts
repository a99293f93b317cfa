import { numbersOf } from './calls.js';
import { deliveryHeaders, requestBytes } from './delivery-request.js';
import type { BenchOptions } from './options.js';
import { FLOOR_ANSWERS } from './same-work.js';
import { connectionsOf, rowName, type Row } from './scenario.js';
import type { Worker } from './worker.js';

/** A row with its running server. Rows can share a server. */
export interface RunningRow {
  readonly row: Row;
  readonly server: Worker;
  readonly callback: string;
}

/** The measurement of one row in one round. */
export interface Sample {
  readonly requests: number;
  /** Requests per second, until the last one was handled. */
  readonly rate: number;
  /** Microseconds of CPU (user and system) the server process used per request. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /**
   * Fraction of the time, from 0 to 1, in which the load generator had responses to read. Near 1, it measures itself.
   */
  readonly loadBusy: number;
  /** Deliveries that were acknowledged but not handled yet when the last one was acknowledged. */
  readonly waiting: number;
  /** Lines the server logged. */
  readonly logLines: number;
}

/** Hub, topic and secret of the deliveries. */
export type Subject = { readonly hub: string; readonly topic: string; readonly secret: string };

/** Settings shared by all rounds. */
export interface LoadSettings extends Pick<BenchOptions, 'seconds' | 'connections'> {
  readonly generator: Worker;
  readonly subject: Subject;
  readonly onProgress: (what: string) => void;
}

/** Seconds until V8 has compiled the code of a server. */
export const WARM_SECONDS = 0.5;

/** Runs the load of each row once. Each server gets time for V8 to compile its code and for its startup log lines. */
export async function warmUp(rows: readonly RunningRow[], load: LoadSettings): Promise<void> {
  const warmServers = new Set<Worker>();
  for (const row of rows) {
    load.onProgress(`warm-up ${rowName(row.row)}`);
    const seconds = warmServers.has(row.server) ? load.seconds : Math.max(load.seconds, WARM_SECONDS);
    await measureRow(row, { ...load, seconds });
    warmServers.add(row.server);
  }
}

/** Measures all rows in each round. Returns the samples of each row, in the order of the rounds. */
export async function runRounds(
  rows: readonly RunningRow[],
  rounds: number,
  load: LoadSettings,
): Promise<ReadonlyMap<RunningRow, readonly Sample[]>> {
  const samples = new Map<RunningRow, Sample[]>(rows.map((row) => [row, []]));
  for (let round = 0; round < rounds; round += 1) {
    load.onProgress(`round ${round + 1} of ${rounds}`);
    // Rotate the first row, so that no row always runs after the same one.
    const first = round % rows.length;
    for (const row of [...rows.slice(first), ...rows.slice(0, first)])
      samples.get(row)?.push(await measureRow(row, load));
  }
  return samples;
}

async function measureRow(
  { row, server, callback }: RunningRow,
  { generator, subject, seconds, connections }: LoadSettings,
): Promise<Sample> {
  const url = new URL(callback);
  const request = requestBytes(url, deliveryHeaders(row.payload, subject), row.payload.bytes);
  await generator.call('open', {
    port: Number(url.port),
    connections: connectionsOf(row, connections),
    request,
    status: (row.scenario.answers ?? FLOOR_ANSWERS).genuine,
  });
  const linesBefore = server.lines();
  // The server is idle at both readings, so the difference covers exactly these requests.
  const usageBefore = await usage(server);
  const result = numbersOf(await generator.call('run', { milliseconds: seconds * 1000, requests: Infinity }), [
    'requests',
    'seconds',
    'p50Ms',
    'p99Ms',
    'busy',
  ]);
  const answeredAt = performance.now();
  const { waiting } = numbersOf(await server.call('settle'), ['waiting']);
  // Deferred work counts too: otherwise a growing queue would improve the rate.
  const settleMs = waiting === 0 ? 0 : performance.now() - answeredAt;
  const usageAfter = await usage(server);
  await generator.call('close');
  const { requests, p50Ms, p99Ms } = result;
  const accepted = usageAfter.accepted - usageBefore.accepted;
  if (accepted !== requests) {
    throw new Error(`${rowName(row)} handled ${accepted} deliveries and acknowledged ${requests}`);
  }
  return {
    requests,
    rate: requests / (result.seconds + settleMs / 1000),
    cpuMicros: (usageAfter.cpuMicros - usageBefore.cpuMicros) / requests,
    p50Ms,
    p99Ms,
    loadBusy: result.busy,
    waiting,
    logLines: server.lines() - linesBefore,
  };
}

async function usage(server: Worker): Promise<Record<'cpuMicros' | 'accepted', number>> {
  return numbersOf(await server.call('usage'), ['cpuMicros', 'accepted']);
}
