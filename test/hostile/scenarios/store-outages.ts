import { setTimeout as pause } from 'node:timers/promises';
import { flood } from '../flood.js';
import { genuineDelivery, SECRET } from '../requests.js';
import { fixed, PROCESS_BOUNDS, processFigures, scaled, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

const OUTAGES = 5;

/** Three operations fail per subscription: 24 lines each at first, then one a minute, plus the other lines. */
const MOST_LINES = 100;

export const storeOutages: Scenario = {
  name: 'store-outages',
  what: 'five outages of the store, of 2 s each, while 1,000 subscriptions are delivered to without a pause',
  bounds: [...PROCESS_BOUNDS, { figure: 'lines', unit: '', most: fixed(MOST_LINES) }],
  run: (attack) =>
    withVictim(
      attack,
      { secret: SECRET, mode: 'queued', topics: scaled(1_000, attack.scale) },
      async ({ victim, port }) => {
        const requests = victim.callbacks.map(genuineDelivery);
        const request = (index: number): Uint8Array => requests[index % requests.length] ?? new Uint8Array();
        const abortController = new AbortController();
        const deliver = async (): Promise<void> => {
          while (!abortController.signal.aborted) await flood({ port, count: 500, connections: 16, request });
        };
        const deliveries = deliver();
        for (let outage = 0; outage < OUTAGES; outage += 1) {
          await pause(2_000 * attack.scale);
          await victim.setStore(false);
          await pause(2_000 * attack.scale);
          await victim.setStore(true);
          await victim.collect();
        }
        abortController.abort();
        await deliveries;
        const peaks = await victim.worst();
        await victim.stop();
        return { ...processFigures(peaks), lines: victim.lines() };
      },
    ),
};
