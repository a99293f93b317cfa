import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { BenchServer, BenchSetup } from '../bench-server.js';
import { answerCalls, stringsOf } from '../calls.js';
import { heapUsed } from '../heap/heap-used.js';

/** Holds a body. The delivery is answered when the promise resolves. */
type Hold = (body: Uint8Array) => Promise<void>;

/** Runs a server in this process whose handlers hold every body until they are released. */
export function serveMemory(start: (setup: BenchSetup, hold: Hold) => Promise<BenchServer>): void {
  const sockets = new Set<Socket>();
  subscribe('http.server.request.start', (message) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented for this channel
    const { socket } = message as { readonly socket: Socket };
    sockets.add(socket);
  });
  let held = new Set<Uint8Array>();
  let release = (): void => {};
  let released = new Promise<void>((resolve) => (release = resolve));
  const hold: Hold = async (body) => {
    held.add(body);
    await released;
  };
  let stop = async (): Promise<void> => {};
  answerCalls({
    async start(setup) {
      const server = await start(stringsOf(setup, ['hub', 'topic', 'secret']), hold);
      stop = () => server.stop();
      return { callback: server.callback };
    },
    /** Bytes read from all connections that carried a request. */
    read: () => ({ bytes: [...sockets].reduce((sum, socket) => sum + socket.bytesRead, 0) }),
    held: () => ({ bodies: held.size }),
    /** Heap and external memory after garbage collection, and the peak resident memory of the process. */
    memory() {
      const heap = heapUsed();
      return { kept: heap + process.memoryUsage().external, peak: process.resourceUsage().maxRSS * 1024 };
    },
    /** Current resident memory, without garbage collection. */
    resident: () => ({ bytes: process.memoryUsage.rss() }),
    release() {
      release();
      held = new Set();
      released = new Promise<void>((resolve) => (release = resolve));
      return {};
    },
    async stop() {
      await stop();
      return {};
    },
  });
}
