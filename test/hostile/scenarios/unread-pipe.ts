import { flood } from '../flood.js';
import { genuineDelivery, SECRET } from '../requests.js';
import { fixed, PROCESS_BOUNDS, processFigures, scaled, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

const EVENTS = 10_000;

export const unreadPipe: Scenario = {
  name: 'unread-pipe',
  what: '10,000 events whose handler writes a line of 1 KiB each, to a pipe that nobody reads',
  bounds: [
    ...PROCESS_BOUNDS,
    { figure: 'unanswered', unit: '', most: fixed(0) },
    { figure: 'ending', unit: 'ms', most: fixed(700) },
  ],
  run: (attack) =>
    withVictim(attack, { secret: SECRET, isTalkative: true, isRead: false }, async ({ victim, port, callback }) => {
      const request = genuineDelivery(callback);
      const count = scaled(EVENTS, attack.scale);
      const statuses = await flood({ port, count, connections: 16, request: () => request });
      const peaks = await victim.worst();
      return {
        ...processFigures(peaks),
        unanswered: count - (statuses.get(202) ?? 0),
        ending: await victim.stop(),
      };
    }),
};
