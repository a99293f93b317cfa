import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchRequest, startRunning, writeRequest, type Running } from './callback-target.js';
import { inputOf } from './child.js';
import { seedsOf } from './seeds.js';

const SEED = Number(process.env['SEED'] ?? 20_260_101);

let running: Running;
beforeAll(async () => {
  running = await startRunning();
});
afterAll(() => running.close());

const seeds = seedsOf('requests', '');
const request = (name: string): fc.Arbitrary<Buffer> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.nat().map((number) => inputOf({ seed: SEED, target: name, maxBytes: 4_096 }, number, seeds)),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)) },
  );

test.each([
  ['socket', writeRequest],
  ['fetch', fetchRequest],
])(
  'C2 to C8 any request by %s gets a response with a known status, and the service keeps working',
  async (name, send) => {
    await fc.assert(
      fc.asyncProperty(request(name), (input) => send(running, input)),
      { numRuns: 300, seed: SEED },
    );
    const delivered = await fetch(`http://127.0.0.1:${running.port}${running.callback.pathname}`, {
      method: 'POST',
      body: 'news',
    });
    expect(delivered.status).toBe(202);
  },
);
