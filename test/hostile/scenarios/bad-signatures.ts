import { flood } from '../flood.js';
import { delivery, SECRET, WRONG_SIGNATURE } from '../requests.js';
import { fixed, PROCESS_BOUNDS, processFigures, scaled, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

export const badSignatures: Scenario = {
  name: 'bad-signatures',
  what: '100,000 deliveries with a wrong signature',
  bounds: [...PROCESS_BOUNDS, { figure: 'lines', unit: '', most: fixed(10) }],
  run: (attack) =>
    withVictim(attack, { secret: SECRET }, async ({ victim, port, callback }) => {
      const request = delivery(callback, WRONG_SIGNATURE);
      const partSize = scaled(20_000, attack.scale);
      for (let count = 0; count < 5; count += 1) {
        const statuses = await flood({ port, count: partSize, connections: 64, request: () => request });
        if (statuses.get(403) !== partSize) throw new Error(`answered ${JSON.stringify([...statuses])}`);
        await victim.collect();
      }
      const peaks = await victim.worst();
      await victim.stop();
      return { ...processFigures(peaks), lines: victim.lines() };
    }),
};
