import type { Connections } from './connections.js';
import { Failures } from './failures.js';
import { Latencies } from './latencies.js';

/** Milliseconds to wait at the end for late requests to be sent and answered. */
const DRAIN_MS = 10_000;

/** An open loop: sending does not depend on responses. */
export interface Pace {
  readonly milliseconds: number;
  /** Requests per second, evenly spaced. */
  readonly rate: number;
}

/**
 * Sends at a fixed rate. A latency starts when the request was due, not when a connection was free. A server that
 * stalls is charged for all requests due meanwhile (no coordinated omission).
 *
 * @throws Error when a single request got an unexpected response
 */
export function keepPace(
  connections: Connections,
  expectedStatus: number,
  { milliseconds, rate }: Pace,
): Promise<{ readonly requests: number; readonly seconds: number; readonly p50Ms: number; readonly p99Ms: number }> {
  const { all } = connections;
  const latencies = new Latencies();
  const failures = new Failures();
  const total = Math.max(1, Math.floor((milliseconds / 1000) * rate));
  const dueAt = new Float64Array(all.length);
  const free = all.map((_, index) => index);
  const startedAt = performance.now();
  const endsAt = startedAt + milliseconds + DRAIN_MS;
  let sent = 0;
  let answered = 0;

  return new Promise((resolve, reject) => {
    const finish = (): void => {
      const error = failures.error();
      if (error === undefined) resolve({ ...latencies.summary(), seconds: (performance.now() - startedAt) / 1000 });
      else reject(error);
    };
    connections.listen({
      onBroken(error) {
        failures.add(error.message);
        answered += 1;
      },
      onAnswer(index, status) {
        answered += 1;
        if (status === expectedStatus) latencies.add(performance.now() - (dueAt[index] ?? 0));
        else failures.add(`answered ${status}`);
        free.push(index);
      },
    });
    // Polls without timers: a timer is up to 1 ms late, which is longer than a response takes.
    const tick = (): void => {
      const now = performance.now();
      for (;;) {
        const due = startedAt + (sent * 1000) / rate;
        if (sent === total || due > now) break;
        const index = free.pop();
        if (index === undefined) break;
        dueAt[index] = due;
        sent += 1;
        all[index]?.send();
      }
      if (answered === total) finish();
      else if (now < endsAt) setImmediate(tick);
      else {
        failures.add(`${total - answered} of ${total} requests unanswered ${DRAIN_MS} ms after the last was due`);
        finish();
      }
    };
    tick();
  });
}
