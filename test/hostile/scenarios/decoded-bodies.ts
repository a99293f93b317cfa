import { gzipSync } from 'node:zlib';
import { flood } from '../flood.js';
import { fixed, MIB, scaled, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

const BODIES = 300;

/** Bytes: the largest allowed body after decoding. */
const DECODED_BYTES = 10 * MIB;

const BOMB = gzipSync(Buffer.alloc(DECODED_BYTES));

export const decodedBodies: Scenario = {
  name: 'decoded-bodies',
  what: '300 bodies of 10 KiB that come to 10 MiB each once they are decoded',
  bounds: [
    { figure: 'blocks', unit: 'ms', most: fixed(250) },
    { figure: 'resident', unit: 'MiB', most: fixed(64 + 32) },
    { figure: 'unanswered', unit: '', most: fixed(0) },
    { figure: 'not accepted', unit: '', most: (scale) => BODIES * scale - 1 },
  ],
  run: (attack) =>
    withVictim(attack, {}, async ({ victim, port, callback }) => {
      const head =
        `POST ${callback.pathname} HTTP/1.1\r\nhost: ${callback.host}\r\ncontent-type: text/plain\r\n` +
        `content-encoding: gzip\r\ncontent-length: ${BOMB.length}\r\n\r\n`;
      const request = Buffer.concat([Buffer.from(head), BOMB]);
      const count = scaled(BODIES, attack.scale);
      const statuses = await flood({ port, count, connections: count, request: () => request });
      const { gapMs, resident } = await victim.worst();
      await victim.stop();
      return {
        blocks: gapMs,
        resident: resident / MIB,
        unanswered: statuses.get(0) ?? 0,
        'not accepted': count - (statuses.get(202) ?? 0),
      };
    }),
};
