import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { readNodeBody, readWebBody } from '../../../src/http/body/read-body.js';
import type { BodyRead } from '../../../src/http/callback-request.js';
import { bodyLimits } from './body-limits.js';
import { listenOn } from '../../kit/ports.js';

/** A delay that no other timer uses. */
const BODY_TIMEOUT_MS = 12_345;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Sends a request in parts, each after the server has received the one before. Resolves to the result of reading. */
async function readBodyOf(parts: readonly (string | Uint8Array)[], chunks: Uint8Array[] = []): Promise<BodyRead> {
  let onPart: () => void = () => {};
  const read = new Promise<BodyRead>((resolve) => {
    server.once('request', (request, response) => {
      const onChunk = (chunk: Uint8Array): void => {
        chunks.push(chunk);
        onPart();
      };
      readNodeBody(request, bodyLimits(4 << 20, BODY_TIMEOUT_MS), { grantId: 'g', onChunk, onRead: resolve });
      request.once('end', () => response.end());
      onPart();
    });
  });
  const socket = connect(await listenOn(server), '127.0.0.1');
  for (const part of parts) {
    const arrived = new Promise<void>((resolve) => {
      onPart = resolve;
    });
    socket.write(part);
    await arrived;
  }
  const body = await read;
  socket.destroy();
  return body;
}

/** The bytes of a body that was read to its end. */
function bytesOf(read: BodyRead): Uint8Array {
  if ('problem' in read) throw new Error(`the body was not read: ${read.problem}`);
  return read.body.bytes();
}

const server = createServer();
afterEach(() => new Promise<void>((resolve) => void server.close(() => resolve())));

const head = (length: number): string => `POST / HTTP/1.1\r\nhost: me\r\ncontent-length: ${length}\r\n\r\n`;

describe('the body of a request', () => {
  test('needs no timer if it arrives with its head', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    expect(bytesOf(await readBodyOf([`${head(4)}news`]))).toEqual(Buffer.from('news'));
    // The timer would start after the tick of the head.
    await new Promise((resolve) => void setImmediate(resolve));
    expect(timers.mock.calls.filter(([, wait]) => wait === BODY_TIMEOUT_MS)).toEqual([]);
  });

  test('has a timer if it arrives after its head, and the timer is cleared when the body ends', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const clearTimer = vi.spyOn(globalThis, 'clearTimeout');
    expect(bytesOf(await readBodyOf([head(8), 'news', 'news']))).toEqual(Buffer.from('newsnews'));
    const timerIndex = timers.mock.calls.findIndex(([, wait]) => wait === BODY_TIMEOUT_MS);
    expect(timerIndex).not.toBe(-1);
    expect(clearTimer).toHaveBeenCalledWith(timers.mock.results[timerIndex]?.value);
  });

  test('of a mebibyte takes a mebibyte of memory, and is passed on in chunks', async () => {
    const size = 1 << 20;
    const content = Buffer.alloc(size, 'news');
    const chunks: Uint8Array[] = [];
    const body = await readBodyOf([Buffer.concat([Buffer.from(head(size)), content])], chunks);
    const bytes = bytesOf(body);
    expect(Buffer.from(bytes).equals(content)).toBe(true);
    expect(bytes.buffer.byteLength).toBe(size);
    expect(chunks.length).toBeGreaterThan(1);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });
});

describe('the body of a fetch request', () => {
  test('is reported as consumed if other code is reading it or has read it', async () => {
    const limits = bodyLimits(100, BODY_TIMEOUT_MS);
    const [lockedRequest, readRequest] = [0, 1].map(
      () => new Request('http://me.example/', { method: 'POST', body: 'news' }),
    );
    const reader = lockedRequest?.body?.getReader();
    await readRequest?.text();
    for (const request of [lockedRequest, readRequest]) {
      if (request === undefined) throw new Error('There is no request');
      expect(await readWebBody(request, limits, 'g', () => {})).toEqual({ problem: 'consumed' });
    }
    await reader?.cancel();
  });
});
