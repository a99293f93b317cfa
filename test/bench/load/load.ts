import { percentile } from '../statistics.js';
import { openConnection, type Connection } from './connection.js';

/** Milliseconds that what is in flight at the end gets to be answered. */
const DRAIN_MS = 10_000;

/** What to send, and where. */
export interface Target {
  readonly port: number;
  readonly request: Uint8Array;
  readonly connections: number;
}

/** How much is sent: whichever comes first. */
export interface Stretch {
  readonly milliseconds: number;
  readonly requests: number;
}

/** What a stretch of load came to. */
export interface LoadResult {
  readonly requests: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The part of the time, from 0 to 1, that the generator had answers to read: near 1 it measures itself. */
  readonly busy: number;
}

/** Connections that are open and idle. */
export interface Load {
  /**
   * Sends on every connection, the next request with each answer, for so long or so often, and until what is in flight is
   * answered.
   *
   * @throws Error when a single request was not answered 202
   */
  run(stretch: Stretch): Promise<LoadResult>;
  close(): void;
}

/**
 * Opens the connections. By hand on node:net, since a load generator that builds a request and parses an answer each time
 * takes about the CPU that the floor takes, and would be the limit on a machine of two cores.
 */
export async function openLoad({ port, request, connections }: Target): Promise<Load> {
  let onAnswer: (connection: number, status: number) => void = () => {};
  let onBroken: (error: Error) => void = () => {};
  const opened: Connection[] = await Promise.all(
    Array.from({ length: connections }, (_, index) =>
      openConnection(port, request, {
        onAnswer: (status) => onAnswer(index, status),
        onBroken: (error) => onBroken(error),
      }),
    ),
  );

  function run({ milliseconds, requests }: Stretch): Promise<LoadResult> {
    const latencies = new Latencies();
    const sentAt = new Float64Array(connections);
    const failures = new Map<string, number>();
    const fail = (what: string): void => void failures.set(what, (failures.get(what) ?? 0) + 1);
    const startedAt = performance.now();
    const endsAt = startedAt + milliseconds;
    let inFlight = Math.min(connections, requests);
    let sent = inFlight;
    let answers = 0;
    let idleMs = 0;

    // Stays awake for as long as it waits: waking a process that sleeps is paid for by the server's write, and the slower
    // the server, the more often the generator would sleep.
    const watch = (before: number, answersBefore: number): void => {
      const now = performance.now();
      if (answers === answersBefore) idleMs += now - before;
      if (inFlight > 0) setImmediate(watch, now, answers);
    };
    setImmediate(watch, startedAt, answers);

    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(drain);
        if (failures.size > 0) {
          const what = [...failures].map(([failure, times]) => `${times} times "${failure}"`).join(', ');
          reject(new Error(`Not every request was answered 202, so there is no result: ${what}`));
          return;
        }
        const elapsedMs = performance.now() - startedAt;
        const ascending = latencies.ascending();
        resolve({
          requests: ascending.length,
          seconds: elapsedMs / 1000,
          p50Ms: percentile(ascending, 0.5),
          p99Ms: percentile(ascending, 0.99),
          busy: 1 - idleMs / elapsedMs,
        });
      };
      const drain = setTimeout(() => {
        fail(`${inFlight} requests unanswered for ${DRAIN_MS} ms`);
        finish();
      }, milliseconds + DRAIN_MS);
      const ended = (): void => {
        inFlight -= 1;
        if (inFlight === 0) finish();
      };
      const send = (index: number, now: number): void => {
        sentAt[index] = now;
        opened[index]?.send();
      };
      onBroken = (error) => {
        fail(error.message);
        ended();
      };
      onAnswer = (index, status) => {
        const now = performance.now();
        answers += 1;
        if (status === 202) latencies.add(now - (sentAt[index] ?? now));
        else fail(`answered ${status}`);
        if (now < endsAt && sent < requests) {
          sent += 1;
          send(index, now);
        } else ended();
      };
      for (let index = 0; index < inFlight; index += 1) send(index, performance.now());
    });
  }

  return {
    run,
    close() {
      for (const connection of opened) connection.close();
    },
  };
}

/** Every latency, in milliseconds: percentiles of these are exact. */
class Latencies {
  #values = new Float64Array(1 << 16);
  #length = 0;

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  ascending(): Float64Array {
    return this.#values.slice(0, this.#length).sort();
  }
}
