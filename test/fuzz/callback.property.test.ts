import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchRequest, startRunningService, writeRequest, type RunningService } from './callback-target.js';
import { inputOf } from './child.js';
import { seedsOf } from './seeds.js';

const SEED = Number(process.env['SEED'] ?? 20_260_101);

let service: RunningService;
beforeAll(async () => {
  service = await startRunningService();
});
afterAll(() => service.close());

const seeds = seedsOf('requests', '');
const requestArbitrary = (name: string): fc.Arbitrary<Buffer> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.nat().map((number) => inputOf({ seed: SEED, target: name, maxBytes: 4_096 }, number, seeds)),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)) },
  );

test.each([
  ['socket', writeRequest, 250],
  ['fetch', fetchRequest, 100],
])(
  'C2 to C8 every response to a request by %s has a known status, and the service keeps working',
  async (name, send, minAnswered) => {
    const answers: (readonly number[])[] = [];
    await fc.assert(
      fc.asyncProperty(requestArbitrary(name), async (input) => {
        answers.push(await send(service, input));
      }),
      { numRuns: 300, seed: SEED },
    );
    // Half of the inputs cannot become a `Request`. A few end a connection before its first response.
    expect(answers.filter((statuses) => statuses.length > 0).length).toBeGreaterThan(minAnswered);
    expect(answers.flat()).toContain(202);
    const answer = await fetch(`http://127.0.0.1:${service.port}${service.callback.pathname}`, {
      method: 'POST',
      body: 'news',
    });
    expect(answer.status).toBe(202);
  },
);
