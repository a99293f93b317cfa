import type { Connections } from './connections.js';
import { Failures } from './failures.js';
import { Latencies } from './latencies.js';

/** Milliseconds that what is late at the end gets to be sent and answered. */
const DRAIN_MS = 10_000;

/** An open loop: what is sent does not depend on what was answered. */
export interface Pace {
  readonly milliseconds: number;
  /** Requests in a second, at equal distances. */
  readonly rate: number;
}

/**
 * Sends at a fixed rate. A latency counts from the time that a request was to be sent, not from when a connection was free
 * for it: a server that stalls is charged with all that would have come meanwhile (no coordinated omission).
 *
 * @throws Error when a single request was not answered as it should be
 */
export function keepPace(
  connections: Connections,
  expected: number,
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
        if (status === expected) latencies.add(performance.now() - (dueAt[index] ?? 0));
        else failures.add(`answered ${status}`);
        free.push(index);
      },
    });
    // Never asleep: a timer would be a millisecond late, which is longer than an answer takes.
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
