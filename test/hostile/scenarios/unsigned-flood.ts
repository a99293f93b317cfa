import { flood } from '../flood.js';
import { slowestAnswer } from '../probe.js';
import { delivery, SECRET, verification } from '../requests.js';
import { fixed, PROCESS_BOUNDS, processFigures, scaled, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

const LEASE_SECONDS = 864_000;

/** Milliseconds for a write, as on a disk. */
const DISK_MS = 2;

/** One write a minute for the rejections, plus the writes of the verifications sent meanwhile. */
const MOST_WRITES = 10;

export const unsignedFlood: Scenario = {
  name: 'unsigned-flood',
  what: '300,000 deliveries, unsigned and with a malformed signature by turns, while a hub verifies',
  bounds: [
    ...PROCESS_BOUNDS,
    { figure: 'verification', unit: 'ms', most: fixed(1_000) },
    { figure: 'writes', unit: '/min', most: fixed(MOST_WRITES) },
    { figure: 'lines', unit: '', most: fixed(20) },
  ],
  run: (attack) =>
    withVictim(attack, { secret: SECRET, writeMs: DISK_MS }, async ({ victim, port, callback, topics }) => {
      const requests = [delivery(callback), delivery(callback, 'sha256=no hex')];
      const request = (index: number): Uint8Array => requests[index % 2] ?? new Uint8Array();
      const partSize = scaled(60_000, attack.scale);
      const countsBefore = await victim.counts();
      const startedAt = performance.now();
      const attackInParts = async (): Promise<void> => {
        for (let count = 0; count < 5; count += 1) {
          await flood({ port, count: partSize, connections: 64, request });
          await victim.collect();
        }
      };
      const verificationUrl = new URL(
        verification(callback, topics[0] ?? '', LEASE_SECONDS)
          .toString()
          .split(' ')[1] ?? '',
        callback,
      );
      const slowest = await slowestAnswer(verificationUrl.href, attackInParts());
      const minutes = Math.max(1, (performance.now() - startedAt) / 60_000);
      const countsAfter = await victim.counts();
      const peaks = await victim.worst();
      await victim.stop();
      return {
        ...processFigures(peaks),
        verification: slowest,
        writes: (countsAfter.writes - countsBefore.writes) / minutes,
        lines: victim.lines(),
      };
    }),
};
