import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { BenchServer, BenchSetup } from '../bench-server.js';
import { answerCalls, stringsOf } from '../calls.js';
import { heapUsed } from '../heap/heap-used.js';

/** What is handed a body; the delivery is answered when it resolves. */
type Hold = (body: Uint8Array) => Promise<void>;

/** Runs a server in this process whose handlers keep what they are handed until they are let go. */
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
    /** Bytes that were read from all connections on which there was a request. */
    read: () => ({ bytes: [...sockets].reduce((sum, socket) => sum + socket.bytesRead, 0) }),
    held: () => ({ bodies: held.size }),
    /** What is kept, garbage apart, and the most that the process ever took of the machine's memory. */
    memory() {
      const heap = heapUsed();
      return { kept: heap + process.memoryUsage().external, peak: process.resourceUsage().maxRSS * 1024 };
    },
    /** What the process takes now. Nothing is collected before. */
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
