import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { deliveryHeaders } from './delivery-request.js';
import { json2k } from './payloads.js';
import { checkWork, FLOOR_ANSWERS } from './same-work.js';
import type { Answers } from './scenario.js';

const secret = 'what the hub signs with';
const headers = deliveryHeaders(json2k, { hub: 'https://hub.example/', topic: 'https://topic.example/', secret });

let server: Server;

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Checks a server that answers so, and hands on what is forged or does not. */
async function check(given: Answers, expected: Answers, handsOn: 'genuine' | 'all' = 'genuine'): Promise<string> {
  let handled = 0;
  server = createServer((request, response) => {
    const hmac = createHmac('sha256', secret);
    request.on('data', (chunk: Buffer) => hmac.update(chunk));
    request.on('end', () => {
      const isGenuine = request.headers['x-hub-signature'] === `sha256=${hmac.digest('hex')}`;
      const isKnown = request.url === '/callback' || given.unknownPath === undefined;
      const answer = isGenuine ? given.genuine : given.forged;
      if (isKnown && (isGenuine || handsOn === 'all')) handled += 1;
      response.writeHead(isKnown ? answer : (given.unknownPath ?? 404)).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  const callback = `http://127.0.0.1:${port}/callback`;
  return checkWork({ callback, answers: expected, accepted: async () => handled }, headers, json2k.bytes);
}

it('lets a server pass that takes what is signed and refuses everything else', async () => {
  expect(await check(FLOOR_ANSWERS, FLOOR_ANSWERS)).toMatch(/^202\n/);
});

it('lets a server pass that answers otherwise, where that is said of it', async () => {
  const other = { genuine: 204, forged: 202, unknownPath: undefined };
  expect(await check(other, other)).toMatch(/^204\n/);
});

it('stops at a server that answers otherwise than it is said to', async () => {
  await expect(check({ ...FLOOR_ANSWERS, genuine: 204 }, FLOOR_ANSWERS)).rejects.toThrow(/signed delivery .* 204/);
});

it('stops at a server that takes what is forged', async () => {
  await expect(check({ ...FLOOR_ANSWERS, forged: 202 }, FLOOR_ANSWERS)).rejects.toThrow(/wrong signature .* 202/);
});

it('stops at a server that refuses what is forged but hands it on all the same', async () => {
  await expect(check(FLOOR_ANSWERS, FLOOR_ANSWERS, 'all')).rejects.toThrow(/3 were handled instead of 1/);
});

it('stops at a server that knows no paths, where it should', async () => {
  await expect(check({ ...FLOOR_ANSWERS, unknownPath: undefined }, FLOOR_ANSWERS)).rejects.toThrow(/unknown path/);
});
