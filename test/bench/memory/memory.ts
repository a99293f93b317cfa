import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { numbersOf, stringsOf } from '../calls.js';
import { deliveryHeaders, requestBytes } from '../delivery-request.js';
import { figureOf, type Figure } from '../figure.js';
import type { FigureOptions } from '../figures.js';
import { json1m, json2k } from '../payloads.js';
import { startWorker, type Worker } from '../worker.js';

/** Requests in flight: so many that the other memory of the process hardly counts. */
const IN_FLIGHT = 64;

/** Milliseconds to wait for a server to reach a measured state. */
const TIMEOUT_MS = 30_000;

const AIM = 'at most 1.2';

/** Memory per request in flight, in bodies of 1 MiB. */
interface RequestMemory {
  /** Just before its last byte arrives; after garbage collection. */
  readonly arriving: number;
  /** While its handler has the body; after garbage collection. */
  readonly handled: number;
  /** Peak resident memory until its handler has the body, including garbage. */
  readonly peak: number;
}

/** Measures the memory that a request with a large body takes. */
export async function measureMemory(options: FigureOptions): Promise<readonly Figure[]> {
  const [ours, floors]: [RequestMemory[], RequestMemory[]] = [[], []];
  for (let round = 1; round <= options.rounds; round += 1) {
    options.onProgress(`memory of ${IN_FLIGHT} requests of 1 MiB, round ${round} of ${options.rounds}`);
    floors.push(await measureInFlight('floor', options));
    ours.push(await measureInFlight('inline', options));
  }
  const figure = (name: string, what: string, field: keyof RequestMemory): Figure =>
    figureOf({
      name,
      what: `${what}, beside bare node:http`,
      aim: AIM,
      unit: 'bodies',
      rounds: ours.map((memory) => memory[field]),
      floors: floors.map((memory) => memory[field]),
    });
  return [
    figure(
      'memory',
      `allocated for each of ${IN_FLIGHT} bodies of 1 MiB just before its last byte comes, garbage collected`,
      'arriving',
    ),
    figure('memory-handled', 'allocated for each while all their handlers have them, garbage collected', 'handled'),
    figure('memory-peak', 'the most that was resident for each until then, garbage and all', 'peak'),
  ];
}

/** Measures in a new process, because a process does not return memory. */
async function measureInFlight(
  name: 'floor' | 'inline',
  { folder, cores, subject }: Pick<FigureOptions, 'folder' | 'cores' | 'subject'>,
): Promise<RequestMemory> {
  const cwd = mkdtempSync(join(folder, 'memory-'));
  const module = new URL(`${name}.js`, import.meta.url);
  const server = startWorker(module, { name: `memory/${name}`, cwd, core: cores?.server, execArgv: ['--expose-gc'] });
  const sockets: Socket[] = [];
  try {
    const { callback } = stringsOf(await server.call('start', subject), ['callback']);
    const url = new URL(callback);
    for (let index = 0; index < IN_FLIGHT; index += 1) sockets.push(await openSocket(Number(url.port)));
    const smallRequest = requestBytes(url, deliveryHeaders(json2k, subject), json2k.bytes);
    const largeRequest = requestBytes(url, deliveryHeaders(json1m, subject), json1m.bytes);
    // Small requests first, on the same connections: memory for code and connections does not count.
    await sendAll(sockets, smallRequest);
    await until(server, 'held', 'bodies', IN_FLIGHT);
    const firstAnswers = sockets.map((socket) => once(socket, 'data'));
    await server.call('release');
    await Promise.all(firstAnswers);
    const memoryBefore = await memoryOf(server);
    const { bytes: resident } = numbersOf(await server.call('resident'), ['bytes']);
    const { bytes: readBefore } = numbersOf(await server.call('read'), ['bytes']);

    await sendAll(sockets, largeRequest.subarray(0, -1));
    await until(server, 'read', 'bytes', readBefore + IN_FLIGHT * (largeRequest.byteLength - 1));
    // Garbage collection would lower the peak, so none runs in this pass. The second pass measures `arriving`.
    await sendAll(sockets, largeRequest.subarray(-1));
    await until(server, 'held', 'bodies', IN_FLIGHT);
    const handled = await memoryOf(server);
    if (handled.peak <= memoryBefore.peak)
      throw new Error(`memory/${name}: the process had been larger before the bodies came`);
    const secondAnswers = sockets.map((socket) => once(socket, 'data'));
    await server.call('release');
    await Promise.all(secondAnswers);

    const { kept } = await memoryOf(server);
    await sendAll(sockets, largeRequest.subarray(0, -1));
    await until(server, 'read', 'bytes', readBefore + IN_FLIGHT * (2 * largeRequest.byteLength - 1));
    const arriving = await memoryOf(server);
    const lastAnswers = sockets.map((socket) => once(socket, 'data'));
    await sendAll(sockets, largeRequest.subarray(-1));
    await until(server, 'held', 'bodies', IN_FLIGHT);
    await server.call('release');
    await Promise.all(lastAnswers);
    for (const socket of sockets) socket.destroy();
    await server.stop();
    const bodiesPerRequest = (bytes: number): number => bytes / IN_FLIGHT / json1m.bytes.byteLength;
    return {
      arriving: bodiesPerRequest(arriving.kept - kept),
      handled: bodiesPerRequest(handled.kept - memoryBefore.kept),
      peak: bodiesPerRequest(handled.peak - resident),
    };
  } finally {
    for (const socket of sockets) socket.destroy();
    server.kill();
  }
}

async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function sendAll(sockets: readonly Socket[], bytes: Uint8Array): Promise<void> {
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>(
          (resolve, reject) => void socket.write(bytes, (error) => (error ? reject(error) : resolve())),
        ),
    ),
  );
}

async function memoryOf(server: Worker): Promise<Record<'kept' | 'peak', number>> {
  return numbersOf(await server.call('memory'), ['kept', 'peak']);
}

/** Polls until a server reports this value. */
async function until(server: Worker, method: string, field: string, expected: number): Promise<void> {
  const endsAt = performance.now() + TIMEOUT_MS;
  for (;;) {
    const { [field]: value = 0 } = numbersOf(await server.call(method), [field]);
    if (value === expected) return;
    if (value > expected || performance.now() > endsAt) {
      throw new Error(`${field} of ${method} came to ${value} instead of ${expected}`);
    }
    // Each poll causes work and garbage in the server.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
