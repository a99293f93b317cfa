import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { sendSlowly } from '../flood.js';
import { SECRET, WRONG_SIGNATURE } from '../requests.js';
import { fixed, MIB, scaled, type Attack, type Bound, type Scenario } from '../scenario.js';
import { withVictim } from '../with-victim.js';

const BODIES = 300;
const BODY_BYTES = Math.floor(9.9 * MIB);

/** Bytes sent of each body: one less than its length, so it is never complete. */
const SENT_BYTES = BODY_BYTES - 1;

/** Milliseconds to wait until the sent bytes have arrived. */
const SETTLE_MS = 1_000;

const filler = Buffer.alloc(MIB, 'x');

function bounds(residentMib: number): readonly Bound[] {
  return [
    { figure: 'blocks', unit: 'ms', most: fixed(250) },
    { figure: 'resident', unit: 'MiB', most: fixed(residentMib) },
  ];
}

async function stall(attack: Attack, signature: string): Promise<Readonly<Record<string, number>>> {
  return withVictim(attack, { secret: SECRET }, async ({ victim, port, callback }) => {
    const head = Buffer.from(
      `POST ${callback.pathname} HTTP/1.1\r\nhost: ${callback.host}\r\ncontent-type: text/plain\r\n` +
        `${signature}content-length: ${BODY_BYTES}\r\n\r\n`,
    );
    const sending = Array.from({ length: scaled(BODIES, attack.scale) }, () =>
      sendSlowly(port, head, filler, SENT_BYTES),
    );
    const sockets: Socket[] = await Promise.all(sending);
    await pause(SETTLE_MS);
    const { gapMs, resident } = await victim.worst();
    for (const socket of sockets) socket.destroy();
    await victim.stop();
    return { blocks: gapMs, resident: resident / MIB };
  });
}

export const stalledUnsigned: Scenario = {
  name: 'stalled-unsigned',
  what: '300 unsigned bodies of 9.9 MiB that stall before their last byte',
  bounds: bounds(64),
  run: (attack) => stall(attack, ''),
};

export const stalledSigned: Scenario = {
  name: 'stalled-signed',
  what: '300 bodies of 9.9 MiB with a signature header that stall before their last byte',
  bounds: bounds(64 + 32),
  run: (attack) => stall(attack, `x-hub-signature: ${WRONG_SIGNATURE}\r\n`),
};
