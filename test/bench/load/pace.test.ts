import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { openLoad, type Load } from './load.js';

let server: Server;
let load: Load;

afterEach(() => {
  load.close();
  server.close();
});

async function openLoadTo(answer: (count: number) => number, connections: number): Promise<void> {
  let count = 0;
  server = createServer((_request, response) => {
    count += 1;
    response.writeHead(answer(count), { 'content-length': 0 }).end();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  const request = Buffer.from('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n');
  load = await openLoad({ port, request, connections, status: 202 });
}

/** Blocks this process, including its server. */
function block(milliseconds: number): void {
  const endsAt = performance.now() + milliseconds;
  while (performance.now() < endsAt);
}

it('a paced load sends as many requests as its rate and its time require', async () => {
  await openLoadTo(() => 202, 4);
  expect(await load.pace({ milliseconds: 100, rate: 500 })).toMatchObject({ requests: 50 });
});

it('a paced load measures latency from the due time, so that a stall counts for each request due meanwhile', async () => {
  await openLoadTo((count) => {
    if (count === 1) block(200);
    return 202;
  }, 1);
  const { requests, p50Ms, p99Ms } = await load.pace({ milliseconds: 100, rate: 500 });
  expect(requests).toBe(50);
  // The requests are due from 0 to 98 ms and answered after 200 ms. Measured from sending, only one would be slow.
  expect(p50Ms).toBeGreaterThan(100);
  expect(p99Ms).toBeGreaterThan(195);
});

it('a paced load rejects when a response has an unexpected status', async () => {
  await openLoadTo((count) => (count === 3 ? 500 : 202), 1);
  await expect(load.pace({ milliseconds: 50, rate: 200 })).rejects.toThrow(/1 times "answered 500"/);
});
