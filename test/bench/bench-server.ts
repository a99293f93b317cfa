import { answerCalls, stringsOf } from './calls.js';
import { heapUsed } from './heap/heap-used.js';

/** What a server under measurement is given. */
export interface BenchSetup {
  /** A hub that verifies what it is asked for. */
  readonly hub: string;
  readonly topic: string;
  /** What deliveries are signed with. */
  readonly secret: string;
}

/** A server under measurement, as its module describes it. */
export interface BenchServer {
  /** Where deliveries go. */
  readonly callback: string;
  /** Deliveries that were found genuine and handled: they are compared with those that were sent. */
  accepted(): number | Promise<number>;
  /**
   * Resolves when all that was acknowledged is handled, to how much of it was not when this was called. @default none ever
   * waits
   */
  settle?(): Promise<number>;
  /** Closes everything: the process has to end by itself. */
  stop(): Promise<void>;
}

/** Runs a server in this process for the process that started it. */
export function serveBench(start: (setup: BenchSetup) => Promise<BenchServer>): void {
  let server: BenchServer | undefined;
  const started = (): BenchServer => {
    if (server === undefined) throw new Error('The server was not started');
    return server;
  };
  answerCalls({
    async start(setup) {
      server = await start(stringsOf(setup, ['hub', 'topic', 'secret']));
      return { callback: server.callback };
    },
    async settle() {
      return { waiting: (await started().settle?.()) ?? 0 };
    },
    heap: () => ({ bytes: heapUsed() }),
    async usage() {
      const { user, system } = process.cpuUsage();
      return { cpuMicros: user + system, accepted: await started().accepted() };
    },
    async stop() {
      await started().stop();
      return {};
    },
  });
}
