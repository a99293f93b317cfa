import { openConnections, type Target } from './connections.js';
import { Failures } from './failures.js';
import { Latencies } from './latencies.js';
import { keepPace, type Pace } from './pace.js';

/** Milliseconds to wait for responses to requests in flight at the end. */
const DRAIN_MS = 10_000;

/** The amount of load: time or requests, whichever is reached first. */
export interface LoadLimits {
  readonly milliseconds: number;
  readonly requests: number;
}

/** The result of a run. */
export interface LoadResult {
  readonly requests: number;
  /** Seconds from the first request to the last response. */
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Fraction of the time, from 0 to 1, in which the generator had responses to read. Near 1, it measures itself. */
  readonly busy: number;
}

/** Open connections, ready to send. */
export interface Load {
  /**
   * Sends on every connection: the next request with each response. Stops after this time or number of requests, once
   * all responses have arrived.
   *
   * @throws Error when a single request got an unexpected response
   */
  run(limits: LoadLimits): Promise<LoadResult>;
  /** Sends at a fixed rate, however long the responses take. */
  pace(pace: Pace): Promise<Omit<LoadResult, 'busy'>>;
  close(): void;
}

export async function openLoad(target: Target): Promise<Load> {
  const connections = await openConnections(target);
  const connectionCount = connections.all.length;

  function run({ milliseconds, requests }: LoadLimits): Promise<LoadResult> {
    const latencies = new Latencies();
    const failures = new Failures();
    const sentAt = new Float64Array(connectionCount);
    const startedAt = performance.now();
    const endsAt = startedAt + milliseconds;
    let inFlight = Math.min(connectionCount, requests);
    let sent = inFlight;
    let answers = 0;
    let idleMs = 0;

    // Stays awake while waiting. The server's write pays for waking a sleeping process, and a slower server would let
    // the generator sleep more often.
    const watch = (timeBefore: number, answersBefore: number): void => {
      const now = performance.now();
      if (answers === answersBefore) idleMs += now - timeBefore;
      if (inFlight > 0) setImmediate(watch, now, answers);
    };
    setImmediate(watch, startedAt, answers);

    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(drainTimer);
        const error = failures.error();
        if (error !== undefined) {
          reject(error);
          return;
        }
        const elapsedMs = performance.now() - startedAt;
        resolve({ ...latencies.summary(), seconds: elapsedMs / 1000, busy: 1 - idleMs / elapsedMs });
      };
      const drainTimer = setTimeout(() => {
        failures.add(`${inFlight} requests unanswered for ${DRAIN_MS} ms`);
        finish();
      }, milliseconds + DRAIN_MS);
      const endRequest = (): void => {
        inFlight -= 1;
        if (inFlight === 0) finish();
      };
      const send = (index: number, now: number): void => {
        sentAt[index] = now;
        connections.all[index]?.send();
      };
      connections.listen({
        onBroken(error) {
          failures.add(error.message);
          endRequest();
        },
        onAnswer(index, status) {
          const now = performance.now();
          answers += 1;
          if (status === target.status) latencies.add(now - (sentAt[index] ?? now));
          else failures.add(`answered ${status}`);
          if (now < endsAt && sent < requests) {
            sent += 1;
            send(index, now);
          } else endRequest();
        },
      });
      for (let index = 0; index < inFlight; index += 1) send(index, performance.now());
    });
  }

  return {
    run,
    pace: (pace) => keepPace(connections, target.status, pace),
    close() {
      for (const connection of connections.all) connection.close();
    },
  };
}
