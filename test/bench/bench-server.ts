import { answerCalls, stringsOf } from './calls.js';
import { heapUsed } from './heap/heap-used.js';

/** Setup of a server under measurement. */
export interface BenchSetup {
  /** URL of a hub that verifies every request. */
  readonly hub: string;
  readonly topic: string;
  /** Secret that signs deliveries. */
  readonly secret: string;
}

/** A server under measurement, as its module describes it. */
export interface BenchServer {
  /** URL deliveries are sent to. */
  readonly callback: string;
  /** Number of genuine, handled deliveries. It is compared with the number of sent deliveries. */
  accepted(): number | Promise<number>;
  /**
   * Resolves once every acknowledged delivery is handled, with the number that was still waiting at the call.
   * @default no delivery ever waits
   */
  settle?(): Promise<number>;
  /** Closes everything. Afterwards the process must exit by itself. */
  stop(): Promise<void>;
}

/** Runs a server in this process, for the process that started it. */
export function serveBench(start: (setup: BenchSetup) => Promise<BenchServer>): void {
  let server: BenchServer | undefined;
  const runningServer = (): BenchServer => {
    if (server === undefined) throw new Error('The server was not started');
    return server;
  };
  answerCalls({
    async start(setup) {
      server = await start(stringsOf(setup, ['hub', 'topic', 'secret']));
      return { callback: server.callback };
    },
    async settle() {
      return { waiting: (await runningServer().settle?.()) ?? 0 };
    },
    heap: () => ({ bytes: heapUsed() }),
    async usage() {
      const { user, system } = process.cpuUsage();
      return { cpuMicros: user + system, accepted: await runningServer().accepted() };
    },
    async stop() {
      await runningServer().stop();
      return {};
    },
  });
}
