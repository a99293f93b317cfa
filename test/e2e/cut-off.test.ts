import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { SubscriberRuntime } from 'websub-subscriber';
import { only, walkTo, type Outcome, type Place, type Setup, type Walk, type Wish } from '../kit/cut-off-walk.js';
import { DAY_MS } from '../kit/news-service.js';

const idOf = async (runtime: SubscriberRuntime): Promise<string> => (await only(runtime))?.id ?? '';
const unsubscribe: Wish = async (runtime) => runtime.unsubscribe(await idOf(runtime));
const retry: Wish = async (runtime) => runtime.retry(await idOf(runtime));
const renew: Wish = async (runtime) => runtime.renew(await idOf(runtime));
const subscribe: Wish = (runtime, service, { topic }) => runtime.subscribe(service, { target: topic.url });
const stop: Wish = (runtime) => runtime.stop();

const undeclared: Setup = () => ({ isDeclared: false });
const pruned: Setup = () => ({ isDeclared: false, options: { pruneDeclared: true } });
const leaving: Setup = () => ({ config: { unsubscribeOnShutdown: true } });
const all: Setup = () => ({ config: { hubs: 'all' } });
const reachedAt =
  (host: string): Setup =>
  ({ port }) => ({ options: { publicUrl: `http://${host}:${port}` } });

const renewalIsDue = ({ world }: Place): void => world.pass(8.5 * DAY_MS);
const bothAdvertised = ({ topic, hub, other }: Place): void => topic.configure({ hubs: [hub, other] });
const firstRefuses = (place: Place): void => {
  bothAdvertised(place);
  place.hub.fail(400);
};
const selfMoves = (place: Place): void => {
  place.topic.configure({ self: place.moved.url });
  renewalIsDue(place);
};
const hubMoves = (place: Place): void => {
  place.topic.configure({ hubs: [place.other] });
  renewalIsDue(place);
};
const hubJoins = (place: Place): void => {
  bothAdvertised(place);
  renewalIsDue(place);
};

/** How many steps a walk has at least: one that has fewer goes past something. */
type Counted = Walk & { readonly atLeast: number };

const desired = 'subscribed';
const toOne = { desired, wanted: ['hub topic'] } as const;
const toMoved = { desired, wanted: ['hub moved'] } as const;
const toOther = { desired, wanted: ['other topic'] } as const;
const toBoth = { desired, wanted: ['hub topic', 'other topic'] } as const;
const toNone = { desired: 'unsubscribed', wanted: ['hub topic'] } as const;

const walks: readonly Counted[] = [
  ...(['async', 'sync'] as const).flatMap((verify): readonly Counted[] => [
    { name: `subscribing, ${verify}`, faults: { verify }, ...toOne, atLeast: 16 },
    { name: `renewing, ${verify}`, faults: { verify }, before: {}, change: renewalIsDue, ...toOne, atLeast: 14 },
    { name: `unsubscribing, ${verify}`, faults: { verify }, before: {}, wish: unsubscribe, ...toNone, atLeast: 10 },
    { name: `retry, ${verify}`, faults: { verify }, before: { wish: unsubscribe }, wish: retry, ...toOne, atLeast: 14 },
    { name: `following a hub, ${verify}`, faults: { verify }, before: {}, change: hubMoves, ...toOther, atLeast: 26 },
  ]),
  { name: 'subscribing to what nothing declares', setup: undeclared, wish: subscribe, ...toOne, atLeast: 16 },
  { name: 'subscribing again', before: { wish: unsubscribe }, wish: subscribe, ...toOne, atLeast: 14 },
  { name: 'renewing when asked to', before: {}, wish: renew, ...toOne, atLeast: 14 },
  { name: 'a stop that unsubscribes', before: {}, setup: leaving, wish: stop, ...toOne, atLeast: 10 },
  { name: 'a start after that', before: { setup: leaving, wish: stop }, ...toOne, atLeast: 12 },
  { name: 'following a topic', before: {}, change: selfMoves, ...toMoved, atLeast: 26 },
  {
    name: 'another public URL',
    before: { setup: reachedAt('localhost') },
    setup: reachedAt('127.0.0.1'),
    ...toOne,
    callbacks: 2,
    atLeast: 24,
  },
  { name: 'the next hub after a refusal', change: firstRefuses, ...toOther, atLeast: 22 },
  { name: 'subscribing at all hubs', change: bothAdvertised, setup: all, ...toBoth, atLeast: 28 },
  {
    name: 'renewing at all hubs',
    before: { arrange: bothAdvertised, setup: all },
    setup: all,
    change: renewalIsDue,
    ...toBoth,
    atLeast: 24,
  },
  {
    name: 'unsubscribing from all hubs',
    before: { arrange: bothAdvertised, setup: all },
    setup: all,
    wish: unsubscribe,
    desired: 'unsubscribed',
    wanted: toBoth.wanted,
    atLeast: 18,
  },
  { name: 'one more hub of all', before: { setup: all }, setup: all, change: hubJoins, ...toBoth, atLeast: 26 },
  { name: 'pruning what is no longer declared', before: {}, setup: pruned, ...toNone, atLeast: 12 },
];

/** Does what is left to do, some of it at a time. */
async function inLanes<T>(left: Iterator<T>, work: (each: T) => Promise<void>): Promise<void> {
  const lane = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

/** The outcomes that are not what was expected say where, and what else there is. */
function expectAll(outcomes: readonly Outcome[]): void {
  const wrong = outcomes.filter(({ found, expected }) => !isDeepStrictEqual(found, expected));
  expect(wrong.map(({ found }) => found)).toEqual(wrong.map(({ expected }) => expected));
}

describe('S2 L4 a process that is cut off at any step', () => {
  it.each(walks)('comes out of $name as it would have', async (walk) => {
    const outcomes: Outcome[] = [];
    function* steps(): Generator<number> {
      for (let step = 1; !outcomes.some(({ isWhole }) => isWhole); step += 1) yield step;
    }
    await inLanes(steps(), async (step) => void outcomes.push(await walkTo(walk, [step])));
    expectAll(outcomes);
    expect(outcomes.filter((outcome) => !outcome.isWhole).length).toBeGreaterThanOrEqual(walk.atLeast);
  });
});

describe('S2 L4 a process that is cut off again on its way back', () => {
  const twice = walks.filter(({ name }) => /^(subscribing, a|unsubscribing, a|retry, s|another public)/.test(name));

  it.each(twice)('comes out of $name as it would have', async (walk) => {
    const outcomes: Outcome[] = [];
    // Each step once, with one of the next life: 7 goes round all of them, in another order.
    const pairs = Array.from({ length: walk.atLeast }, (_, index) => [index + 1, ((index * 7) % 19) + 1] as const);
    await inLanes(pairs.values(), async (steps) => void outcomes.push(await walkTo(walk, steps)));
    expectAll(outcomes);
    expect(outcomes.filter(({ isWhole }) => !isWhole).length).toBeGreaterThan(walk.atLeast / 3);
  });
});
