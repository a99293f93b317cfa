import { gzipSync } from 'node:zlib';
import { REASON } from '../../../src/http/answer-reasons.js';
import { describe, expect, test } from 'vitest';
import { fieldsOf, signatureOf, subscribed, type Subscribed } from '../../kit/subscribed.js';
import { openWire, request, type Wire } from '../../kit/wire.js';

const MAX_BODY_BYTES = 100_000;
const SIGNED = { 'X-Hub-Signature': `sha256=${'0'.repeat(64)}` };

/** A runtime with room for four bodies of the maximum length, and for one per grant. */
const subscribedWithLittleRoom = (): Promise<Subscribed> =>
  subscribed({ options: { security: { maxBodyBytes: MAX_BODY_BYTES, maxInFlightBytes: 4 * MAX_BODY_BYTES } } });

/** Sends the first bytes of a body, and then nothing more. */
async function stalledWire({ port, path }: Subscribed, byteCount = 60_000): Promise<Wire> {
  const wire = await openWire(port);
  wire.send(request('POST', path, { ...SIGNED, 'Content-Length': String(MAX_BODY_BYTES) }));
  wire.send(Buffer.alloc(byteCount));
  return wire;
}

describe('C6 bodies that stall', () => {
  test('are dropped with 408 in favor of an active body, starting with the longest idle one', async () => {
    const subscriber = await subscribedWithLittleRoom();
    const first = await stalledWire(subscriber);
    const second = await stalledWire(subscriber);
    const answer = await first.answer();
    expect(answer).toMatchObject({ status: 408, headers: { connection: 'close' } });
    expect(fieldsOf(answer)).toEqual({ reason: REASON.tooManyBytesInFlight });
    expect(subscriber.logger.events('warn')).toContain('delivery.memory-limit');
    // A complete body is accepted, and takes the room of a stalled one.
    expect((await subscriber.post(Buffer.alloc(MAX_BODY_BYTES))).status).toBe(202);
    expect((await second.answer()).status).toBe(408);
    expect(subscriber.events).toHaveLength(1);
  });

  test('take only the room of their received bytes, not of their announced length', async () => {
    const subscriber = await subscribedWithLittleRoom();
    const stalledWires = await Promise.all(Array.from({ length: 20 }, () => stalledWire(subscriber, 10)));
    expect((await subscriber.post(Buffer.alloc(MAX_BODY_BYTES / 2))).status).toBe(202);
    const content = Buffer.alloc(MAX_BODY_BYTES);
    const wire = await openWire(subscriber.port);
    wire.send(
      request('POST', subscriber.path, {
        'X-Hub-Signature': signatureOf(content),
        'Content-Length': String(MAX_BODY_BYTES),
      }),
    );
    wire.send(content);
    expect((await wire.answer()).status).toBe(202);
    for (const { socket } of stalledWires) socket.destroy();
  });

  test('are dropped by runtime.fetch(), too', async () => {
    const { runtime, path } = await subscribedWithLittleRoom();
    const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
    const send = (): Promise<Response> => {
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void streams.push(controller) });
      return runtime.fetch(
        new Request(`https://any.test${path}`, { method: 'POST', headers: SIGNED, body, duplex: 'half' }),
      );
    };
    const [first, second] = [send(), send()];
    streams[0]?.enqueue(new Uint8Array(MAX_BODY_BYTES - 1));
    streams[1]?.enqueue(new Uint8Array(MAX_BODY_BYTES - 1));
    expect((await first).status).toBe(408);
    streams[1]?.close();
    expect((await second).status).toBe(403);
  });
});

test('C6 content without room for decoding gets 503, which is counted and logged, and later content is accepted', async () => {
  const subscriber = await subscribed({
    config: { secret: false },
    options: { security: { maxBodyBytes: MAX_BODY_BYTES, maxInFlightBytes: MAX_BODY_BYTES } },
  });
  const bomb = gzipSync(Buffer.alloc(MAX_BODY_BYTES));
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => subscriber.post(bomb, { 'Content-Encoding': 'gzip' })),
  );
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([202, 503]));
  const refused = statuses.filter((status) => status === 503).length;
  expect((await subscriber.snapshot()).stats).toMatchObject({ refused, received: 8 - refused });
  expect(subscriber.logger.logged('delivery.refused')).toMatchObject([
    { level: 'warn', fields: { reason: REASON.decodingStopped } },
  ]);
  expect((await subscriber.post('good news')).status).toBe(202);
});
