import { flood } from '../flood.js';
import { SECRET, verification } from '../requests.js';
import { fixed, MIB, PROCESS_BOUNDS, processFigures, scaled, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

const YEAR_SECONDS = 31_536_000;

/** Milliseconds for a write, as on a disk. */
const DISK_MS = 2;

export const forgedVerifications: Scenario = {
  name: 'forged-verifications',
  what: '20,000 verifications that nobody asked for, with leases of a year and of a second',
  bounds: [
    ...PROCESS_BOUNDS,
    { figure: 'handler calls', unit: '', most: fixed(2) },
    // Five a minute, because the flood can take longer than a minute.
    { figure: 'writes', unit: '/min', most: fixed(5) },
    { figure: 'written', unit: 'MiB', most: fixed(1) },
    { figure: 'lines', unit: '', most: fixed(10) },
  ],
  run: (attack) =>
    withVictim(attack, { secret: SECRET, writeMs: DISK_MS }, async ({ victim, port, callback, topics }) => {
      const [topic = ''] = topics;
      const requests = [YEAR_SECONDS, 1].map((seconds) => verification(callback, topic, seconds));
      const request = (index: number): Uint8Array => requests[index % 2] ?? new Uint8Array();
      const countsBefore = await victim.counts();
      const startedAt = performance.now();
      await flood({ port, count: scaled(20_000, attack.scale), connections: 64, request });
      const minutes = Math.max(1, (performance.now() - startedAt) / 60_000);
      const countsAfter = await victim.counts();
      const peaks = await victim.worst();
      await victim.stop();
      return {
        ...processFigures(peaks),
        'handler calls': (countsAfter.verifications - countsBefore.verifications) / minutes,
        writes: (countsAfter.writes - countsBefore.writes) / minutes,
        written: (countsAfter.bytes - countsBefore.bytes) / MIB,
        lines: victim.lines(),
      };
    }),
};
