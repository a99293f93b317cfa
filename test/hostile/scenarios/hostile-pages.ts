import { createServer } from 'node:http';
import { hostilePages } from '../pages.js';
import { fixed, MIB, type Bound, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';
import { listenOn } from '../../kit/ports.js';

/** Milliseconds discovery may block. At a smaller scale, other work on the machine weighs more. */
const blocks: Bound['most'] = (scale) => (scale === 1 ? 50 : 250);

export const hostilePagesRead: Scenario = {
  name: 'hostile-pages',
  what: `discovery from ${hostilePages.length} documents that are made to take long, of up to 5 MiB`,
  bounds: [
    ...hostilePages.map(({ name }) => ({ figure: `blocks: ${name}`, unit: 'ms', most: blocks })),
    { figure: 'wrongly read', unit: '', most: fixed(0) },
    { figure: 'resident', unit: 'MiB', most: (scale) => 64 + 192 * scale },
    { figure: 'heap', unit: 'MiB', most: fixed(16) },
  ],
  run: (attack) =>
    withVictim(attack, {}, async ({ victim }) => {
      let body: string | Buffer = '';
      let headers: Readonly<Record<string, string>> = {};
      const server = createServer(({ url }, response) => {
        // The feeds that a page lists do not exist.
        if (url === '/') response.writeHead(200, headers).end(body);
        else response.writeHead(404).end();
      });
      const port = await listenOn(server);
      const figures: Record<string, number> = {};
      let wrongCount = 0;
      try {
        // The first discovery loads modules, which does not count for a document.
        await victim.discover(`http://127.0.0.1:${port}/`);
        for (const { name, type, hasHub, link, body: make } of hostilePages) {
          body = make(attack.scale);
          headers = { 'content-type': type, ...(link === undefined ? {} : { link }) };
          await victim.lap();
          const outcome = await victim.discover(`http://127.0.0.1:${port}/`);
          figures[`blocks: ${name}`] = await victim.lap();
          if ((outcome === 'found') !== hasHub) wrongCount += 1;
        }
      } finally {
        server.close();
        server.closeAllConnections();
      }
      const { resident, heap } = await victim.worst();
      await victim.stop();
      return { ...figures, 'wrongly read': wrongCount, resident: resident / MIB, heap: heap / MIB };
    }),
};
