import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { readNodeBody, readWebBody } from '../../../src/http/body/read-body.js';
import type { BodyRead } from '../../../src/http/callback-request.js';
import { bodyLimits } from './body-limits.js';

/** A time that nothing else waits for. */
const BODY_TIMEOUT_MS = 12_345;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Sends a request in pieces, the next when the server has the one before; resolves to what was read of its body. */
async function readOf(pieces: readonly (string | Uint8Array)[], seen: Uint8Array[] = []): Promise<BodyRead> {
  let onPiece: () => void = () => {};
  const read = new Promise<BodyRead>((resolve) => {
    server.once('request', (request, response) => {
      const onChunk = (chunk: Uint8Array): void => {
        seen.push(chunk);
        onPiece();
      };
      readNodeBody(request, bodyLimits(4 << 20, BODY_TIMEOUT_MS), { grantId: 'g', onChunk, onRead: resolve });
      request.once('end', () => response.end());
      onPiece();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on a port has an AddressInfo
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (const piece of pieces) {
    const arrived = new Promise<void>((resolve) => {
      onPiece = resolve;
    });
    socket.write(piece);
    await arrived;
  }
  const body = await read;
  socket.destroy();
  return body;
}

const server = createServer();
afterEach(() => new Promise<void>((resolve) => void server.close(() => resolve())));

const head = (length: number): string => `POST / HTTP/1.1\r\nhost: me\r\ncontent-length: ${length}\r\n\r\n`;

describe('the body of a request', () => {
  test('that comes with its head is read without a limit to its time: it has come', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    expect(await readOf([`${head(4)}news`])).toEqual({ bytes: Buffer.from('news') });
    // Whether it has come is looked at when the turn of its head is over.
    await new Promise((resolve) => void setImmediate(resolve));
    expect(timers.mock.calls.filter(([, wait]) => wait === BODY_TIMEOUT_MS)).toEqual([]);
  });

  test('that comes later has a time, which ends with it', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const cleared = vi.spyOn(globalThis, 'clearTimeout');
    expect(await readOf([head(8), 'news', 'news'])).toEqual({ bytes: Buffer.from('newsnews') });
    const timed = timers.mock.calls.findIndex(([, wait]) => wait === BODY_TIMEOUT_MS);
    expect(timed).not.toBe(-1);
    expect(cleared).toHaveBeenCalledWith(timers.mock.results[timed]?.value);
  });

  test('of a mebibyte takes a mebibyte of memory, and is handed over piece by piece', async () => {
    const size = 1 << 20;
    const content = Buffer.alloc(size, 'news');
    const seen: Uint8Array[] = [];
    const body = await readOf([Buffer.concat([Buffer.from(head(size)), content])], seen);
    if ('problem' in body) throw new Error(body.problem);
    expect(Buffer.from(body.bytes).equals(content)).toBe(true);
    expect(body.bytes.buffer.byteLength).toBe(size);
    expect(seen.length).toBeGreaterThan(1);
    expect(Buffer.concat(seen).equals(content)).toBe(true);
  });
});

describe('the body of a fetch request', () => {
  test('that somebody else reads, or has read, is consumed', async () => {
    const limits = bodyLimits(100, BODY_TIMEOUT_MS);
    const [held, read] = [0, 1].map(() => new Request('http://me.example/', { method: 'POST', body: 'news' }));
    const reader = held?.body?.getReader();
    await read?.text();
    for (const request of [held, read]) {
      if (request === undefined) throw new Error('There is no request');
      expect(await readWebBody(request, limits, 'g', () => {})).toEqual({ problem: 'consumed' });
    }
    await reader?.cancel();
  });
});
