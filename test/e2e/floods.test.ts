import { describe, expect, onTestFinished, test } from 'vitest';
import { compiledFixture } from '../compiled-fixture.js';
import { verification } from '../http/subscribed.js';
import { exchange, request } from '../http/wire.js';
import { postBombs, postRejected, stallBodies, startFlooded, type FloodOptions, type Flooded } from './floods.js';

const MEBIBYTE = 1 << 20;

const subscriber = await compiledFixture('e2e/fixtures/flooded-subscriber.ts');

async function flooded(options: FloodOptions = {}): Promise<Flooded> {
  const process = await startFlooded(subscriber, options);
  onTestFinished(() => process.end());
  return process;
}

/** Milliseconds that a verification takes. */
async function verified({ port, path, topic }: Flooded): Promise<number> {
  const begun = performance.now();
  const query = new URLSearchParams(verification(topic.url)).toString();
  expect((await exchange(port, request('GET', `${path}?${query}`))).status).toBe(200);
  return performance.now() - begun;
}

describe('C6 a flood', { timeout: 60_000 }, () => {
  test('of content unsigned and malformed in turn: no memory, no write, a log line a minute, and verifications are answered', async () => {
    const process = await flooded();
    // What code and connections need is not of the flood.
    await postRejected(process, 3_000);
    const before = await process.figures();
    const over = new AbortController();
    const flood = postRejected(process, 30_000).finally(() => over.abort());
    const took: number[] = [];
    while (!over.signal.aborted) took.push(await verified(process));
    expect(await flood).toBeGreaterThanOrEqual(30_000);
    const after = await process.figures();
    // The median: the machine has other work.
    expect(took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]).toBeLessThan(1_000);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(2 * MEBIBYTE);
    // It may have taken more than a minute.
    expect(after.lines - before.lines).toBeLessThanOrEqual(2);
    expect(after.writes - before.writes).toBeLessThanOrEqual(took.length + 2);
  });

  test('of unsigned bodies that stall takes no memory', async () => {
    const process = await flooded();
    const warm = await stallBodies(process, 3, { bytes: MEBIBYTE, isSigned: false });
    const before = await process.figures();
    const sockets = await stallBodies(process, 30, { bytes: 9_900_000, isSigned: false });
    const after = await process.figures();
    for (const socket of [...warm, ...sockets]) socket.destroy();
    // Each 9.9 MB: had they been kept, these were 297 MB.
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(4 * MEBIBYTE);
    expect(after.resident - before.resident).toBeLessThan(40 * MEBIBYTE);
  });

  test('of signed bodies that stall takes no more than may be in flight', async () => {
    const process = await flooded({ security: { maxBodyBytes: MEBIBYTE, maxInFlightBytes: 8 * MEBIBYTE } });
    const before = await process.figures();
    const sockets = await stallBodies(process, 60, { bytes: MEBIBYTE, isSigned: true });
    const after = await process.figures();
    for (const socket of sockets) socket.destroy();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * MEBIBYTE);
    await verified(process);
  });

  test('of content that is large once decoded takes about what may be in flight, and is answered', async () => {
    const process = await flooded({ isSecret: false });
    const before = await process.figures();
    const statuses = await postBombs(process, 30, 10 * MEBIBYTE);
    const after = await process.figures();
    expect(new Set([...statuses, 202, 503])).toEqual(new Set([202, 503]));
    expect(statuses).toContain(202);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 * MEBIBYTE);
    await verified(process);
  });
});
