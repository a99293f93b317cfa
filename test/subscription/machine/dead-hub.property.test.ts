import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { forge, type ForgedSeries, verifications } from '../model/forger.js';
import { GOOD_BEHAVIOR, type HubBehavior } from '../model/hub-model.js';
import type { Setup } from '../model/model-setup.js';
import { HUBS, ModelWorld } from '../model/model-world.js';

const RUNS = Number(process.env['RUNS'] ?? 100);
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const THREE_DAYS_MS = 3 * 86_400_000;
const ENOUGH_EVENTS = 10_000;

/** A time without forged requests, then the requests that the forger sends. */
interface Visit {
  readonly afterSeconds: number;
  readonly forgedSeries: ForgedSeries;
}

const visits = fc.array(
  fc.record({ afterSeconds: fc.oneof(fc.nat(70), fc.nat(8_000), fc.nat(50_000)), forgedSeries: verifications }),
  { minLength: 1, maxLength: 8 },
);

const deadHubBehaviors: fc.Arbitrary<HubBehavior> = fc
  .constantFrom('is down', 'breaks', 'loses the answer', 'refuses')
  .map((answer): HubBehavior => ({ ...GOOD_BEHAVIOR, answer, verifySeconds: undefined }));

const setups: fc.Arbitrary<Setup> = fc.record({
  seed: fc.constant(1),
  random: fc.double({ min: 0.5, max: 1, maxExcluded: true, noNaN: true }),
  hubs: fc.constantFrom('failover', 'all'),
  maxAttempts: fc.constant(Infinity),
  protocol: fc.constantFrom('websub', 'pubsubhubbub-0.3'),
  isGiven: fc.boolean(),
  afterDenial: fc.constantFrom('retry', 'stop'),
  rotateSecret: fc.constantFrom('never', 'renewal'),
  rotateCallback: fc.constant('never'),
  paceSeconds: fc.constant(0),
  forgerStays: fc.constant(false),
});

/** The subscribe requests of three days in which no hub ever answers correctly, with their times. */
async function requestsTo(
  hubCount: number,
  {
    behavior,
    setup,
    forgerVisits,
  }: { readonly behavior: HubBehavior; readonly setup: Setup; readonly forgerVisits: readonly Visit[] },
): Promise<readonly string[]> {
  const world = new ModelWorld(setup);
  for (const hub of world.hubs) hub.behavior = behavior;
  world.publisher = { ...world.publisher, hubs: HUBS.slice(0, hubCount) };
  await world.start();
  await world.runDueWork();
  const end = world.timeline.now + THREE_DAYS_MS;
  for (const { afterSeconds, forgedSeries } of forgerVisits) {
    await world.advance(afterSeconds * 1000, ENOUGH_EVENTS);
    forge(world, forgedSeries);
    await world.runDueWork();
  }
  await world.advance(end - world.timeline.now, ENOUGH_EVENTS);
  expect(world.watch.violations).toEqual([]);
  return world.trace.filter((line) => line.includes(' subscribe https'));
}

const timeOf = (line: string): number => Date.parse(line.split(' ', 1)[0] ?? '');

test('V9 forged verifications hardly change when a hub is requested that never accepts a request', async () => {
  await fc.assert(
    fc.asyncProperty(setups, deadHubBehaviors, visits, async (setup, behavior, forgerVisits) => {
      const undisturbed = await requestsTo(1, { setup, behavior, forgerVisits: [] });
      const disturbed = await requestsTo(1, { setup, behavior, forgerVisits });
      // A discovery takes some seconds, so the times and the number of requests may differ a little.
      const sharedCount = Math.min(undisturbed.length, disturbed.length);
      expect(sharedCount).toBeGreaterThan(5);
      expect(Math.abs(undisturbed.length - disturbed.length)).toBeLessThanOrEqual(1);
      const shifts = disturbed.slice(0, sharedCount).map((line, at) => timeOf(line) - timeOf(undisturbed[at] ?? ''));
      expect(Math.max(...shifts.map(Math.abs))).toBeLessThan(60_000);
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 300_000);

test('V9 forged verifications hardly change how often two hubs are requested that never accept a request', async () => {
  const countsOf = (requests: readonly string[]): readonly number[] =>
    HUBS.slice(0, 2).map((hub) => requests.filter((line) => line.includes(hub)).length);
  await fc.assert(
    fc.asyncProperty(setups, deadHubBehaviors, visits, async (setup, behavior, forgerVisits) => {
      const undisturbed = countsOf(await requestsTo(2, { setup, behavior, forgerVisits: [] }));
      const disturbed = countsOf(await requestsTo(2, { setup, behavior, forgerVisits }));
      disturbed.forEach((count, index) => {
        const usual = undisturbed[index] ?? 0;
        expect(count).toBeGreaterThanOrEqual(usual * 0.8 - 3);
        expect(count).toBeLessThanOrEqual(usual * 1.2 + 3);
      });
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 300_000);
