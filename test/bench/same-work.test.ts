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

/** Runs `checkWork` against a server with the given answers. With `'all'` it also handles forged deliveries. */
async function check(actual: Answers, expected: Answers, handles: 'genuine' | 'all' = 'genuine'): Promise<string> {
  let handled = 0;
  server = createServer((request, response) => {
    const hmac = createHmac('sha256', secret);
    request.on('data', (chunk: Buffer) => hmac.update(chunk));
    request.on('end', () => {
      const isGenuine = request.headers['x-hub-signature'] === `sha256=${hmac.digest('hex')}`;
      const isKnown = request.url === '/callback' || actual.unknownPath === undefined;
      const answer = isGenuine ? actual.genuine : actual.forged;
      if (isKnown && (isGenuine || handles === 'all')) handled += 1;
      response.writeHead(isKnown ? answer : (actual.unknownPath ?? 404)).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  const callback = `http://127.0.0.1:${port}/callback`;
  return checkWork({ callback, answers: expected, accepted: async () => handled }, headers, json2k.bytes);
}

it('checkWork() accepts a server that handles signed deliveries and rejects everything else', async () => {
  expect(await check(FLOOR_ANSWERS, FLOOR_ANSWERS)).toMatch(/^202\n/);
});

it('checkWork() accepts a server that answers differently, if that is expected', async () => {
  const otherAnswers = { genuine: 204, forged: 202, unknownPath: undefined };
  expect(await check(otherAnswers, otherAnswers)).toMatch(/^204\n/);
});

it('checkWork() rejects a server that answers differently than expected', async () => {
  await expect(check({ ...FLOOR_ANSWERS, genuine: 204 }, FLOOR_ANSWERS)).rejects.toThrow(/signed delivery .* 204/);
});

it('checkWork() rejects a server that accepts a forged delivery', async () => {
  await expect(check({ ...FLOOR_ANSWERS, forged: 202 }, FLOOR_ANSWERS)).rejects.toThrow(/wrong signature .* 202/);
});

it('checkWork() rejects a server that answers 403 to a forged delivery but handles it', async () => {
  await expect(check(FLOOR_ANSWERS, FLOOR_ANSWERS, 'all')).rejects.toThrow(/3 were handled instead of 1/);
});

it('checkWork() rejects a server that accepts any path, unless that is expected', async () => {
  await expect(check({ ...FLOOR_ANSWERS, unknownPath: undefined }, FLOOR_ANSWERS)).rejects.toThrow(/unknown path/);
});
