import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fieldsOf, signatureOf, subscribed, type Subscribed } from '../kit/subscribed.js';
import { openWire, request, type Wire } from '../kit/wire.js';

const MOST = 100_000;
const SIGNED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };

/** A runtime in which all bodies together hold four of the largest at most, and those of a grant one. */
const narrow = (): Promise<Subscribed> =>
  subscribed({ options: { security: { maxBodyBytes: MOST, maxInFlightBytes: 4 * MOST } } });

/** A body of which a part comes, and then no more. */
async function stalled({ port, path }: Subscribed, part = 60_000): Promise<Wire> {
  const wire = await openWire(port);
  wire.send(request('POST', path, { ...SIGNED, 'Content-Length': String(MOST) }));
  wire.send(Buffer.alloc(part));
  return wire;
}

describe('C6 bodies that stall', () => {
  test('are cut off with 408 for one that goes on, the one without progress for longest first', async () => {
    const given = await narrow();
    const first = await stalled(given);
    const second = await stalled(given);
    const answer = await first.answer();
    expect(answer).toMatchObject({ status: 408, headers: { connection: 'close' } });
    expect(fieldsOf(answer)).toEqual({ reason: 'too much content is arriving at once' });
    expect(given.logger.said('warn')).toContain(
      'content was cut off, as too much was arriving at once: see security.maxInFlightBytes',
    );
    // What comes whole goes on, and takes the room that one stalled.
    expect((await given.post(Buffer.alloc(MOST))).status).toBe(202);
    expect((await second.answer()).status).toBe(408);
    expect(given.events).toHaveLength(1);
  });

  test('of which a little has come take little room: what is announced alone is not held', async () => {
    const given = await narrow();
    const wires = await Promise.all(Array.from({ length: 20 }, () => stalled(given, 10)));
    expect((await given.post(Buffer.alloc(MOST / 2))).status).toBe(202);
    const content = Buffer.alloc(MOST);
    const whole = await openWire(given.port);
    whole.send(
      request('POST', given.path, { 'X-Hub-Signature': signatureOf(content), 'Content-Length': String(MOST) }),
    );
    whole.send(content);
    expect((await whole.answer()).status).toBe(202);
    for (const { socket } of wires) socket.destroy();
  });

  test('by fetch too', async () => {
    const { runtime, path } = await narrow();
    const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
    const send = (): Promise<Response> => {
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void streams.push(controller) });
      return runtime.fetch(
        new Request(`https://any.test${path}`, { method: 'POST', headers: SIGNED, body, duplex: 'half' }),
      );
    };
    const [first, second] = [send(), send()];
    streams[0]?.enqueue(new Uint8Array(MOST - 1));
    streams[1]?.enqueue(new Uint8Array(MOST - 1));
    expect((await first).status).toBe(408);
    streams[1]?.close();
    expect((await second).status).toBe(403);
  });
});

test('C6 content that cannot be decoded now is answered 503, which is told, and all goes on', async () => {
  const given = await subscribed({
    config: { secret: false },
    options: { security: { maxBodyBytes: MOST, maxInFlightBytes: MOST } },
  });
  const bomb = gzipSync(Buffer.alloc(MOST));
  const answers = await Promise.all(Array.from({ length: 8 }, () => given.post(bomb, { 'Content-Encoding': 'gzip' })));
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([202, 503]));
  const refused = statuses.filter((status) => status === 503).length;
  expect((await given.snapshot()).stats).toMatchObject({ refused, received: 8 - refused });
  expect((await given.post('good news')).status).toBe(202);
});
