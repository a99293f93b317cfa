import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { forge, type Salvo, verifications } from '../model/forger.js';
import { GOOD_MANNERS, type HubManners } from '../model/hub-model.js';
import type { Setup } from '../model/model-setup.js';
import { HUBS, ModelWorld } from '../model/model-world.js';

const RUNS = Number(process.env['RUNS'] ?? 100);
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const THREE_DAYS_MS = 3 * 86_400_000;
const ENOUGH_EVENTS = 10_000;

/** A time without the forger, then the requests it sends. */
interface Visit {
  readonly afterSeconds: number;
  readonly salvo: Salvo;
}

const visits = fc.array(
  fc.record({ afterSeconds: fc.oneof(fc.nat(70), fc.nat(8_000), fc.nat(50_000)), salvo: verifications }),
  { minLength: 1, maxLength: 8 },
);

const deaths: fc.Arbitrary<HubManners> = fc
  .constantFrom('is down', 'breaks', 'loses the answer', 'refuses')
  .map((answer): HubManners => ({ ...GOOD_MANNERS, answer, verifySeconds: undefined }));

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
  forgerStays: fc.constant(false),
});

/** The subscribe requests of three days in which no hub ever answers correctly, with their times. */
async function requestsTo(
  hubs: number,
  { death, setup, forger }: { readonly death: HubManners; readonly setup: Setup; readonly forger: readonly Visit[] },
): Promise<readonly string[]> {
  const world = new ModelWorld(setup);
  for (const hub of world.hubs) hub.manners = death;
  world.publisher = { ...world.publisher, hubs: HUBS.slice(0, hubs) };
  await world.start();
  await world.look();
  const end = world.timeline.now + THREE_DAYS_MS;
  for (const { afterSeconds, salvo } of forger) {
    await world.advance(afterSeconds * 1000, ENOUGH_EVENTS);
    forge(world, salvo);
    await world.look();
  }
  await world.advance(end - world.timeline.now, ENOUGH_EVENTS);
  expect(world.watch.violations).toEqual([]);
  return world.trace.filter((line) => line.includes(' subscribe https'));
}

const timeOf = (line: string): number => Date.parse(line.split(' ', 1)[0] ?? '');

test('V9 a hub that never answers is requested at the same times, with or without forged verifications', async () => {
  await fc.assert(
    fc.asyncProperty(setups, deaths, visits, async (setup, death, forger) => {
      const undisturbed = await requestsTo(1, { setup, death, forger: [] });
      const disturbed = await requestsTo(1, { setup, death, forger });
      // A discovery may take some seconds.
      const shared = Math.min(undisturbed.length, disturbed.length);
      expect(shared).toBeGreaterThan(5);
      expect(Math.abs(undisturbed.length - disturbed.length)).toBeLessThanOrEqual(1);
      const shifts = disturbed.slice(0, shared).map((line, at) => timeOf(line) - timeOf(undisturbed[at] ?? ''));
      expect(Math.max(...shifts.map(Math.abs))).toBeLessThan(60_000);
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 300_000);

test('V9 forged verifications hardly change how often two unresponsive hubs are requested', async () => {
  const countsOf = (requests: readonly string[]): readonly number[] =>
    HUBS.slice(0, 2).map((hub) => requests.filter((line) => line.includes(hub)).length);
  await fc.assert(
    fc.asyncProperty(setups, deaths, visits, async (setup, death, forger) => {
      const undisturbed = countsOf(await requestsTo(2, { setup, death, forger: [] }));
      const disturbed = countsOf(await requestsTo(2, { setup, death, forger }));
      disturbed.forEach((count, index) => {
        const usual = undisturbed[index] ?? 0;
        expect(count).toBeGreaterThanOrEqual(usual * 0.8 - 3);
        expect(count).toBeLessThanOrEqual(usual * 1.2 + 3);
      });
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 300_000);
