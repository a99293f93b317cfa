import { openConnections, type Target } from './connections.js';
import { Failures } from './failures.js';
import { Latencies } from './latencies.js';
import { keepPace, type Pace } from './pace.js';

/** Milliseconds that what is in flight at the end gets to be answered. */
const DRAIN_MS = 10_000;

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
   * @throws Error when a single request was not answered as it should be
   */
  run(stretch: Stretch): Promise<LoadResult>;
  /** Sends so many requests in a second, however long the answers take. */
  pace(pace: Pace): Promise<Omit<LoadResult, 'busy'>>;
  close(): void;
}

export async function openLoad(target: Target): Promise<Load> {
  const opened = await openConnections(target);
  const connections = opened.all.length;

  function run({ milliseconds, requests }: Stretch): Promise<LoadResult> {
    const latencies = new Latencies();
    const failures = new Failures();
    const sentAt = new Float64Array(connections);
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
        const error = failures.error();
        if (error !== undefined) {
          reject(error);
          return;
        }
        const elapsedMs = performance.now() - startedAt;
        resolve({ ...latencies.summary(), seconds: elapsedMs / 1000, busy: 1 - idleMs / elapsedMs });
      };
      const drain = setTimeout(() => {
        failures.add(`${inFlight} requests unanswered for ${DRAIN_MS} ms`);
        finish();
      }, milliseconds + DRAIN_MS);
      const ended = (): void => {
        inFlight -= 1;
        if (inFlight === 0) finish();
      };
      const send = (index: number, now: number): void => {
        sentAt[index] = now;
        opened.all[index]?.send();
      };
      opened.listen({
        onBroken(error) {
          failures.add(error.message);
          ended();
        },
        onAnswer(index, status) {
          const now = performance.now();
          answers += 1;
          if (status === target.status) latencies.add(now - (sentAt[index] ?? now));
          else failures.add(`answered ${status}`);
          if (now < endsAt && sent < requests) {
            sent += 1;
            send(index, now);
          } else ended();
        },
      });
      for (let index = 0; index < inFlight; index += 1) send(index, performance.now());
    });
  }

  return {
    run,
    pace: (pace) => keepPace(opened, target.status, pace),
    close() {
      for (const connection of opened.all) connection.close();
    },
  };
}
