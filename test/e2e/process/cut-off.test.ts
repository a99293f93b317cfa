import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { SubscriberRuntime } from 'websub-subscriber';
import {
  subscriptionIfAny,
  runWithCrashAt,
  type Outcome,
  type Environment,
  type ServiceSetup,
  type CrashScenario,
  type UserCall,
} from '../../kit/crash-scenario.js';
import { DAY_MS } from '../../kit/durations.js';

const idOf = async (runtime: SubscriberRuntime): Promise<string> => (await subscriptionIfAny(runtime))?.id ?? '';
const unsubscribe: UserCall = async (runtime) => runtime.unsubscribe(await idOf(runtime));
const retry: UserCall = async (runtime) => runtime.retry(await idOf(runtime));
const renew: UserCall = async (runtime) => runtime.renew(await idOf(runtime));
const subscribe: UserCall = (runtime, service, { topic }) => runtime.subscribe(service, { target: topic.url });
const stop: UserCall = (runtime) => runtime.stop();

const undeclared: ServiceSetup = () => ({ isDeclared: false });
const undeclaredAndPruned: ServiceSetup = () => ({ isDeclared: false, options: { pruneDeclared: true } });
const unsubscribingAtStop: ServiceSetup = () => ({ config: { unsubscribeOnShutdown: true } });
const allHubs: ServiceSetup = () => ({ config: { hubs: 'all' } });
const reachedAt =
  (host: string): ServiceSetup =>
  ({ port }) => ({ options: { publicUrl: `http://${host}:${port}` } });

const renewalIsDue = ({ world }: Environment): void => world.advance(8.5 * DAY_MS);
const bothAdvertised = ({ topic, hub, secondHub }: Environment): void => topic.configure({ hubs: [hub, secondHub] });
const firstRefuses = (environment: Environment): void => {
  bothAdvertised(environment);
  environment.hub.fail(400);
};
const selfMoves = (environment: Environment): void => {
  environment.topic.configure({ self: environment.secondTopic.url });
  renewalIsDue(environment);
};
const hubMoves = (environment: Environment): void => {
  environment.topic.configure({ hubs: [environment.secondHub] });
  renewalIsDue(environment);
};
const hubJoins = (environment: Environment): void => {
  bothAdvertised(environment);
  renewalIsDue(environment);
};

/** A scenario with its minimum number of steps. A run with fewer steps skips something. */
type CountedScenario = CrashScenario & { readonly atLeast: number };

const desired = 'subscribed';
const toOne = { desired, wanted: ['hub topic'] } as const;
const toMoved = { desired, wanted: ['hub moved'] } as const;
const toOther = { desired, wanted: ['other topic'] } as const;
const toBoth = { desired, wanted: ['hub topic', 'other topic'] } as const;
const toNone = { desired: 'unsubscribed', wanted: ['hub topic'] } as const;

const scenarios: readonly CountedScenario[] = [
  ...(['async', 'sync'] as const).flatMap((verify): readonly CountedScenario[] => [
    { name: `subscribing, ${verify}`, faults: { verify }, ...toOne, atLeast: 16 },
    { name: `renewing, ${verify}`, faults: { verify }, before: {}, change: renewalIsDue, ...toOne, atLeast: 14 },
    { name: `unsubscribing, ${verify}`, faults: { verify }, before: {}, call: unsubscribe, ...toNone, atLeast: 10 },
    { name: `retry, ${verify}`, faults: { verify }, before: { call: unsubscribe }, call: retry, ...toOne, atLeast: 14 },
    { name: `following a hub, ${verify}`, faults: { verify }, before: {}, change: hubMoves, ...toOther, atLeast: 26 },
  ]),
  { name: 'subscribing without a declaration', setup: undeclared, call: subscribe, ...toOne, atLeast: 16 },
  { name: 'subscribing again', before: { call: unsubscribe }, call: subscribe, ...toOne, atLeast: 14 },
  { name: 'renewing on request', before: {}, call: renew, ...toOne, atLeast: 14 },
  { name: 'a stop that unsubscribes', before: {}, setup: unsubscribingAtStop, call: stop, ...toOne, atLeast: 10 },
  {
    name: 'the start after a stop that unsubscribed',
    before: { setup: unsubscribingAtStop, call: stop },
    ...toOne,
    atLeast: 12,
  },
  { name: 'following a topic', before: {}, change: selfMoves, ...toMoved, atLeast: 26 },
  {
    name: 'another public URL of the callbacks',
    before: { setup: reachedAt('localhost') },
    setup: reachedAt('127.0.0.1'),
    ...toOne,
    callbacks: 2,
    atLeast: 24,
  },
  { name: 'subscribing at the next hub after a refusal', change: firstRefuses, ...toOther, atLeast: 22 },
  { name: 'subscribing at all hubs', change: bothAdvertised, setup: allHubs, ...toBoth, atLeast: 28 },
  {
    name: 'renewing at all hubs',
    before: { arrange: bothAdvertised, setup: allHubs },
    setup: allHubs,
    change: renewalIsDue,
    ...toBoth,
    atLeast: 24,
  },
  {
    name: 'unsubscribing from all hubs',
    before: { arrange: bothAdvertised, setup: allHubs },
    setup: allHubs,
    call: unsubscribe,
    desired: 'unsubscribed',
    wanted: toBoth.wanted,
    atLeast: 18,
  },
  {
    name: 'subscribing at a hub that is advertised later',
    before: { setup: allHubs },
    setup: allHubs,
    change: hubJoins,
    ...toBoth,
    atLeast: 26,
  },
  { name: 'pruning an undeclared subscription', before: {}, setup: undeclaredAndPruned, ...toNone, atLeast: 12 },
];

/** Runs `work` over all items, eight at a time. */
async function forEachConcurrently<T>(items: Iterator<T>, work: (item: T) => Promise<void>): Promise<void> {
  const runNext = async (): Promise<void> => {
    for (let next = items.next(); next.done !== true; next = items.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: 8 }, runNext));
}

/** Compares all outcomes. A failure shows each unexpected one with its step. */
function expectAll(outcomes: readonly Outcome[]): void {
  const unexpected = outcomes.filter(({ actual, expected }) => !isDeepStrictEqual(actual, expected));
  expect(unexpected.map(({ actual }) => actual)).toEqual(unexpected.map(({ expected }) => expected));
}

describe('S2 L4 after a crash at any step, the next start', () => {
  it.each(scenarios)('completes $name, unless a call had neither resolved nor been stored', async (scenario) => {
    const outcomes: Outcome[] = [];
    function* steps(): Generator<number> {
      for (let step = 1; !outcomes.some(({ isComplete }) => isComplete); step += 1) yield step;
    }
    await forEachConcurrently(steps(), async (step) => void outcomes.push(await runWithCrashAt(scenario, [step])));
    expectAll(outcomes);
    expect(outcomes.filter((outcome) => !outcome.isComplete).length).toBeGreaterThanOrEqual(scenario.atLeast);
  });
});

describe('S2 L4 after a second crash during the recovery, the next start', () => {
  const scenariosWithTwoCrashes = scenarios.filter(({ name }) =>
    /^(subscribing, a|unsubscribing, a|retry, s|another public)/.test(name),
  );

  it.each(scenariosWithTwoCrashes)(
    'completes $name, unless a call had neither resolved nor been stored',
    async (scenario) => {
      const outcomes: Outcome[] = [];
      // Pairs each step with one step of the next process. Steps of 7 modulo 19 visit all of them in another order.
      const pairs = Array.from(
        { length: scenario.atLeast },
        (_, index) => [index + 1, ((index * 7) % 19) + 1] as const,
      );
      await forEachConcurrently(
        pairs.values(),
        async (steps) => void outcomes.push(await runWithCrashAt(scenario, steps)),
      );
      expectAll(outcomes);
      expect(outcomes.filter(({ isComplete }) => !isComplete).length).toBeGreaterThan(scenario.atLeast / 3);
    },
  );
});
