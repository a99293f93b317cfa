import { numbersOf } from './calls.js';
import { deliveryHeaders, requestBytes } from './delivery-request.js';
import type { BenchOptions } from './options.js';
import { FLOOR_ANSWERS } from './same-work.js';
import { connectionsOf, rowName, type Row } from './scenario.js';
import type { Worker } from './worker.js';

/** A row whose server runs, perhaps with other rows. */
export interface RunningRow {
  readonly row: Row;
  readonly server: Worker;
  readonly callback: string;
}

/** A row in one round. */
export interface Sample {
  readonly requests: number;
  /** Requests per second, until the last of them was handled. */
  readonly rate: number;
  /** Microseconds of CPU, user and system, that the server's process used for a request. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The part of the time, from 0 to 1, that the load generator had answers to read: near 1 it measures itself. */
  readonly loadBusy: number;
  /** Deliveries that were acknowledged, but not handled yet, when the last was acknowledged. */
  readonly waiting: number;
  /** Lines the server logged. */
  readonly logLines: number;
}

/** What deliveries are about and signed with. */
export type Subject = { readonly hub: string; readonly topic: string; readonly secret: string };

/** What every round has in common. */
export interface Load extends Pick<BenchOptions, 'seconds' | 'connections'> {
  readonly generator: Worker;
  readonly subject: Subject;
  readonly onProgress: (what: string) => void;
}

/** Seconds after which the code of a server is compiled as it stays. */
export const WARM_SECONDS = 0.5;

/** Puts each row under its load once, and each server for long enough that code is compiled and all that a start says is said. */
export async function warmUp(rows: readonly RunningRow[], load: Load): Promise<void> {
  const warm = new Set<Worker>();
  for (const row of rows) {
    load.onProgress(`warm-up ${rowName(row.row)}`);
    const seconds = warm.has(row.server) ? load.seconds : Math.max(load.seconds, WARM_SECONDS);
    await sample(row, { ...load, seconds });
    warm.add(row.server);
  }
}

/** Measures all rows in each round; the samples of each row, in the order of the rounds. */
export async function runRounds(
  rows: readonly RunningRow[],
  rounds: number,
  load: Load,
): Promise<ReadonlyMap<RunningRow, readonly Sample[]>> {
  const samples = new Map<RunningRow, Sample[]>(rows.map((row) => [row, []]));
  for (let round = 0; round < rounds; round += 1) {
    load.onProgress(`round ${round + 1} of ${rounds}`);
    // Another one begins each time, so that none is always measured in the wake of the same.
    const first = round % rows.length;
    for (const row of [...rows.slice(first), ...rows.slice(0, first)]) samples.get(row)?.push(await sample(row, load));
  }
  return samples;
}

async function sample(
  { row, server, callback }: RunningRow,
  { generator, subject, seconds, connections }: Load,
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
  // The server idles at both readings, so they are about these requests and no others.
  const before = await usage(server);
  const result = numbersOf(await generator.call('run', { milliseconds: seconds * 1000, requests: Infinity }), [
    'requests',
    'seconds',
    'p50Ms',
    'p99Ms',
    'busy',
  ]);
  const answeredAt = performance.now();
  const { waiting } = numbersOf(await server.call('settle'), ['waiting']);
  // What is put off is work all the same: a queue that only grows would flatter the rate.
  const putOffMs = waiting === 0 ? 0 : performance.now() - answeredAt;
  const after = await usage(server);
  await generator.call('close');
  const { requests, p50Ms, p99Ms } = result;
  const accepted = after.accepted - before.accepted;
  if (accepted !== requests) {
    throw new Error(`${rowName(row)} handled ${accepted} deliveries and acknowledged ${requests}`);
  }
  return {
    requests,
    rate: requests / (result.seconds + putOffMs / 1000),
    cpuMicros: (after.cpuMicros - before.cpuMicros) / requests,
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
