import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { numbersOf, stringsOf } from '../calls.js';
import { deliveryHeaders, requestBytes } from '../delivery-request.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { json2k } from '../payloads.js';
import { WARM_SECONDS } from '../rounds.js';
import { median } from '../statistics.js';
import { startWorker, type Worker } from '../worker.js';

/** More connections than are in flight while a server keeps up. */
const CONNECTIONS = 64;

/** Fraction of the floor's rate. */
const SHARE = 0.5;

const AIM = 'within 2 times the floor';

interface PacedLatency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Measures latencies at a fixed rate: half of the floor's highest rate in the same round. Both get the same rate. With
 * half of its own rate, a slower server would get less load, which would hide its slowness.
 */
export async function measurePaced(options: FigureOptions): Promise<readonly Figure[]> {
  const { folder, cores, rounds, seconds, subject, onProgress } = options;
  const workers: Worker[] = [];
  const start = (path: string, core: number | undefined): Worker => {
    const module = new URL(`../${path}.js`, import.meta.url);
    const worker = startWorker(module, { name: `paced: ${path}`, cwd: mkdtempSync(join(folder, 'paced-')), core });
    workers.push(worker);
    return worker;
  };
  try {
    const generator = start('load/process', cores?.load);
    const callbackOf = async (server: Worker): Promise<string> =>
      stringsOf(await server.call('start', subject), ['callback']).callback;
    const [floorServer, inlineServer] = [start('servers/floor', cores?.server), start('servers/inline', cores?.server)];
    const [floorCallback, inlineCallback] = [await callbackOf(floorServer), await callbackOf(inlineServer)];
    const withConnections = async <Result>(callback: string, load: () => Promise<Result>): Promise<Result> => {
      const url = new URL(callback);
      const request = requestBytes(url, deliveryHeaders(json2k, subject), json2k.bytes);
      await generator.call('open', { port: Number(url.port), connections: CONNECTIONS, request, status: 202 });
      const result = await load();
      await generator.call('close');
      return result;
    };
    const milliseconds = seconds * 1000;
    const highestRate = (callback: string, forMs = milliseconds): Promise<number> =>
      withConnections(callback, async () => {
        const reply = await generator.call('run', { milliseconds: forMs, requests: Infinity });
        const result = numbersOf(reply, ['requests', 'seconds']);
        return result.requests / result.seconds;
      });
    const pacedAt = (callback: string, rate: number): Promise<PacedLatency> =>
      withConnections(callback, async () =>
        numbersOf(await generator.call('pace', { milliseconds, rate }), ['p50Ms', 'p99Ms']),
      );
    const [floors, ours, rates]: [PacedLatency[], PacedLatency[], number[]] = [[], [], []];
    onProgress('paced, warm-up');
    for (const callback of [floorCallback, inlineCallback]) {
      await pacedAt(callback, SHARE * (await highestRate(callback, Math.max(seconds, WARM_SECONDS) * 1000)));
    }
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`paced, round ${round} of ${rounds}`);
      const rate = SHARE * (await highestRate(floorCallback));
      rates.push(rate);
      const measureFloor = async (): Promise<unknown> => floors.push(await pacedAt(floorCallback, rate));
      const measureInline = async (): Promise<unknown> => ours.push(await pacedAt(inlineCallback, rate));
      // Alternate the order, so that neither always runs second.
      for (const measure of round % 2 === 0 ? [measureInline, measureFloor] : [measureFloor, measureInline])
        await measure();
    }
    for (const worker of workers) await worker.stop();
    const rateText = Math.round(median(rates)).toLocaleString('en');
    const what = `from when each of ${rateText} requests/s of 2 KiB is due: half of the floor's highest rate in the same round, for both`;
    const figure = (
      field: keyof PacedLatency,
    ): Pick<Figure, 'unit' | 'rounds'> & { readonly floors: readonly number[] } => ({
      unit: 'ms',
      rounds: ours.map((latency) => latency[field]),
      floors: floors.map((latency) => latency[field]),
    });
    return [
      figureOf({ name: 'paced-p50', what: `median latency of inline ${what}`, ...figure('p50Ms') }),
      figureOf({ name: 'paced-p99', what: 'the 99th percentile of the same', aim: AIM, ...figure('p99Ms') }),
    ];
  } finally {
    for (const worker of workers) worker.kill();
  }
}
