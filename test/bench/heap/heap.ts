import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { numbersOf, stringsOf } from '../calls.js';
import { deliveryHeaders, requestBytes } from '../delivery-request.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { json2k } from '../payloads.js';
import { startWorker, type Worker } from '../worker.js';

const CONNECTIONS = 64;

/** Milliseconds all deliveries may take; longer means a hang. */
const TIMEOUT_MS = 30 * 60_000;

/** Measures the heap of one process after many deliveries. The floor is its heap after a tenth of them. */
export async function measureHeap(options: FigureOptions): Promise<readonly Figure[]> {
  const { deliveries, rounds: roundCount, onProgress } = options;
  const few = Math.ceil(deliveries / 10);
  const [rounds, floors]: [number[], number[]] = [[], []];
  for (let round = 1; round <= roundCount; round += 1) {
    onProgress(`heap after ${deliveries} deliveries to one process, round ${round} of ${roundCount}`);
    const { afterTenth, afterAll } = await heapsOf(few, options);
    floors.push(afterTenth);
    rounds.push(afterAll);
  }
  const [many, tenth] = [deliveries, few].map((count) => count.toLocaleString('en'));
  return [
    figureOf({
      name: 'heap',
      what: `heap of one process after ${many} inline deliveries, beside the same process after ${tenth}; garbage collected`,
      aim: 'within 5 %, for 1,000,000 beside 100,000',
      unit: 'bytes',
      rounds,
      floors,
    }),
  ];
}

/** Measures in a new process each time. */
async function heapsOf(
  few: number,
  { folder, cores, deliveries, subject }: FigureOptions,
): Promise<{ readonly afterTenth: number; readonly afterAll: number }> {
  const cwd = mkdtempSync(join(folder, 'heap-'));
  const moduleAt = (path: string): URL => new URL(`../${path}.js`, import.meta.url);
  const execArgv = ['--expose-gc'];
  const server = startWorker(moduleAt('servers/inline'), { name: 'heap', cwd, core: cores?.server, execArgv });
  const generator = startWorker(moduleAt('load/process'), { name: 'heap-load', cwd, core: cores?.load });
  try {
    const { callback } = stringsOf(await server.call('start', subject), ['callback']);
    const url = new URL(callback);
    const request = requestBytes(url, deliveryHeaders(json2k, subject), json2k.bytes);
    const heapAfter = async (requests: number): Promise<number> => {
      // Connections are closed before the heap is read, or it would include their memory.
      await generator.call('open', { port: Number(url.port), connections: CONNECTIONS, request, status: 202 });
      await generator.call('run', { milliseconds: TIMEOUT_MS, requests });
      await generator.call('close');
      return heapOf(server);
    };
    const afterTenth = await heapAfter(few);
    const afterAll = await heapAfter(deliveries - few);
    const { accepted } = numbersOf(await server.call('usage'), ['accepted']);
    if (accepted !== deliveries) throw new Error(`${accepted} of ${deliveries} deliveries were handled`);
    await server.stop();
    await generator.stop();
    return { afterTenth, afterAll };
  } finally {
    server.kill();
    generator.kill();
  }
}

async function heapOf(server: Worker): Promise<number> {
  return numbersOf(await server.call('heap'), ['bytes']).bytes;
}
