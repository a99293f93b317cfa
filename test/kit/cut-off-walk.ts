import type {
  ServiceReference,
  StartOptions,
  Grant,
  Subscription,
  SubscriberRuntime,
  SubscriberServiceConfig,
} from 'websub-subscriber';
import { TestHub, type HubFaults, type HubTopic } from 'websub-subscriber/testing';
import { FakeWorld } from './fake-world.js';
import { Life, type Disk } from './mortal-life.js';
import { DAY_MS, quiet } from './news-service.js';
import { deadPort, reader } from './world.js';

/** What outlives a process, and what it has to do with. */
export interface Place {
  readonly world: FakeWorld;
  readonly hub: TestHub;
  readonly other: TestHub;
  /** The service's target. */
  readonly topic: HubTopic;
  readonly moved: HubTopic;
  readonly disk: Disk;
  readonly port: number;
}

/** How the service is declared and started. */
export type Setup = (place: Place) => {
  readonly config?: SubscriberServiceConfig;
  /** Whether the service names the topic as its target. @default true */
  readonly isDeclared?: boolean;
  readonly options?: StartOptions;
};

/** What a user asks for. */
export type Wish = (runtime: SubscriberRuntime, service: ServiceReference, place: Place) => Promise<unknown>;

/** What is begun, and is to come out whatever it is cut off by. */
export interface Walk {
  readonly name: string;
  readonly faults?: HubFaults;
  /** A life before, that nothing cuts off: the service is subscribed, and what is asked for then is done. */
  readonly before?: { readonly arrange?: (place: Place) => void; readonly setup?: Setup; readonly wish?: Wish };
  /** What is otherwise since then: what begins now is to be done after it. */
  readonly change?: (place: Place) => void;
  readonly setup?: Setup;
  /** Without one, it begins with the start, or with the time. */
  readonly wish?: Wish;
  readonly desired: 'subscribed' | 'unsubscribed';
  /** The hubs and topics it has, when it is subscribed. */
  readonly wanted: readonly string[];
  /** How many callbacks a hub is told of for one topic. @default 1 */
  readonly callbacks?: number;
}

/** What became of a walk that was cut off, beside what is to become of it. */
export interface Outcome {
  readonly found: object;
  readonly expected: object;
  /** Whether the last life that was to be cut off had fewer steps. */
  readonly isWhole: boolean;
}

/** A service at work. */
interface Living {
  readonly life: Life;
  /** Undefined where it was cut off before it had started. */
  readonly runtime: SubscriberRuntime | undefined;
  readonly service: ServiceReference;
  readonly got: readonly string[];
}

/**
 * Walks until the n-th step, where a second number is given until that step of the next life, and lets one more life go on
 * from there.
 */
export async function walkTo(walk: Walk, [step, again]: readonly [number, number?]): Promise<Outcome> {
  const world = new FakeWorld();
  const now = (): number => world.now;
  await using hub = await TestHub.start({ now, ...walk.faults });
  await using other = await TestHub.start({ now, ...walk.faults });
  const topics = { topic: hub.topic('/feed'), moved: hub.topic('/moved') };
  const place = { world, hub, other, ...topics, disk: new Map<string, unknown>(), port: await deadPort() };
  if (walk.before !== undefined) await liveThrough(place, walk.before);
  walk.change?.(place);
  const since = walk.change === undefined ? 0 : world.now;

  const lives = [await mortal(place, walk, since, step, walk.wish)];
  if (again !== undefined) lives.push(await mortal(place, walk, since, again));
  const outcome = await recovered(place, walk, since, lives[0]?.isPromised === true);
  const at = lives
    .map(({ steps, isWhole }) => (isWhole ? 'its end' : `${steps.length}: ${steps.at(-1)}`))
    .join(', then ');
  const isWhole = lives.at(-1)?.isWhole === true;
  return { found: { at, ...outcome.found }, expected: { at, ...outcome.expected }, isWhole };
}

async function live(place: Place, setup?: Setup, endsAt?: number): Promise<Living> {
  const { disk, world, port, topic } = place;
  const { config, options, isDeclared = true } = setup?.(place) ?? {};
  const life = await Life.begin(disk, port, endsAt);
  const { dispatcher, server, store } = life;
  const httpConfig = { dispatcher };
  const { service, got } = reader({
    ...(isDeclared ? { target: topic.url } : {}),
    unsubscribeOnShutdown: false,
    httpConfig,
    discoveryConfig: { httpConfig },
    ...config,
  });
  const started = world.start(service, { port: undefined, server, store, ...options });
  const runtime = await Promise.race([started, life.over.then(() => undefined)]);
  return { life, runtime, service, got };
}

async function liveThrough(place: Place, { arrange, setup, wish }: NonNullable<Walk['before']>): Promise<void> {
  arrange?.(place);
  const { life, runtime, service } = await live(place, setup);
  await runtime?.ready({ timeoutMs: 5_000 });
  await settled(place);
  if (runtime !== undefined) await wish?.(runtime, service, place);
  await settled(place);
  await life.end();
}

/** A life that is cut off at a step, unless it has fewer. */
async function mortal(
  place: Place,
  walk: Walk,
  since: number,
  endsAt: number,
  wish?: Wish,
): Promise<{ readonly steps: readonly string[]; readonly isWhole: boolean; readonly isPromised: boolean }> {
  const living = await live(place, walk.setup, endsAt);
  const { life, runtime, service } = living;
  let isPromised = false;
  if (runtime !== undefined && wish !== undefined) {
    await Promise.race([wish(runtime, service, place), life.over]);
    isPromised = !life.isOver;
  }
  await goOn(place, walk, since, living);
  const isWhole = !life.isOver;
  await life.end();
  await settled(place);
  return { steps: life.steps, isWhole, isPromised };
}

/** The life after, which nothing cuts off. */
async function recovered(
  place: Place,
  walk: Walk,
  since: number,
  isPromised: boolean,
): Promise<Omit<Outcome, 'isWhole'>> {
  const { hub, other, topic, moved, world } = place;
  const living = await live(place, walk.setup);
  const { life, runtime, got } = living;
  if (runtime === undefined) throw new Error('it was cut off');
  await goOn(place, walk, since, living);
  for (const from of [hub, other]) {
    for (const { url } of [topic, moved]) await from.distribute(url, nameOf(place, from, url));
  }
  const first = await seen(place, runtime, since);
  const received = got.toSorted();
  // So it stays, and is renewed.
  world.pass(9 * DAY_MS);
  const nextSince = world.now;
  await goOn(place, walk, nextSince, living);
  const later = await seen(place, runtime, nextSince);
  await life.end();

  // What was asked for, and neither promised nor stored, may have been for nothing.
  const isWanted = (walk.wish === undefined || isPromised ? walk.desired : first.desired) === 'subscribed';
  const active = isWanted ? walk.wanted.toSorted() : [];
  const expected = {
    desired: isWanted ? 'subscribed' : 'unsubscribed',
    active,
    verified: active,
    waiting: [],
    callbacks: Object.fromEntries(Object.keys(first.callbacks).map((name) => [name, walk.callbacks ?? 1])),
    violations: [],
  };
  return {
    found: { first, received, later },
    expected: { first: expected, received: active, later: expected },
  };
}

/** Time passes until all is as it is to be, for half an hour at most. */
async function goOn(place: Place, walk: Walk, since: number, { life, runtime }: Living): Promise<void> {
  const isReached = async (): Promise<boolean> => {
    const subscription = runtime && (await only(runtime));
    if (subscription === undefined) return true;
    const isWanted = subscription.desired === 'subscribed';
    const isDone = subscription.grants.every(
      ({ state }) => state === 'unsubscribed' || (isWanted && state === 'active'),
    );
    const active = activeAt(place, since);
    return isDone && (!isWanted || walk.wanted.every((name) => active.includes(name)));
  };
  for (let minute = 0; minute < 30 && !life.isOver; minute += 1) {
    await settled(place);
    if (life.isOver || (await isReached())) return;
    place.world.pass(61_000);
  }
}

async function settled({ hub, other }: Place): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await quiet();
    await Promise.all([hub.settled(), other.settled()]);
  }
}

export async function only(runtime: SubscriberRuntime): Promise<Subscription | undefined> {
  const [subscription, ...others] = await runtime.subscriptions.find();
  if (others.length > 0) throw new Error(`there are ${others.length + 1} subscriptions`);
  return subscription;
}

async function seen(place: Place, runtime: SubscriberRuntime, since: number) {
  const { desired = 'unsubscribed', grants = [], nextAttemptAt } = (await only(runtime)) ?? {};
  const isServed = grants.some(({ state }) => state === 'active') && nextAttemptAt === undefined;
  const isIdle = ({ state, verifiedAt }: Grant): boolean =>
    state === 'active' || state === 'unsubscribed' || (isServed && state === 'failed' && verifiedAt === undefined);
  return {
    desired,
    active: activeAt(place),
    /** Those that were verified since something began. */
    verified: activeAt(place, since),
    /**
     * The states of grants that are neither over nor at work: of those that wait for something. A hub that refused, and
     * never granted anything, is remembered beside one that works; it is not to be asked.
     */
    waiting: grants.filter((grant) => !isIdle(grant)).map(({ state }) => state),
    callbacks: callbacksAt(place),
    violations: [...place.hub.violations, ...place.other.violations],
  };
}

/** The hubs and topics that are subscribed at this moment, and were verified since. */
function activeAt(place: Place, since = 0): readonly string[] {
  return [place.hub, place.other]
    .flatMap((at) =>
      at.subscriptions.flatMap(({ state, topic, verifiedAt }) =>
        state === 'active' && (verifiedAt?.getTime() ?? 0) >= since ? nameOf(place, at, topic) : [],
      ),
    )
    .toSorted();
}

/** How many callbacks each hub was told of for each topic. */
function callbacksAt(place: Place): Readonly<Record<string, number>> {
  const told = new Map<string, Set<string | null>>();
  for (const at of [place.hub, place.other]) {
    for (const { method, form } of at.requests) {
      if (method !== 'POST') continue;
      const name = nameOf(place, at, form.get('hub.topic'));
      told.set(name, (told.get(name) ?? new Set()).add(form.get('hub.callback')));
    }
  }
  return Object.fromEntries([...told].map(([name, callbacks]) => [name, callbacks.size]));
}

function nameOf({ hub, topic }: Place, at: TestHub, url: string | null): string {
  return `${at === hub ? 'hub' : 'other'} ${url === topic.url ? 'topic' : 'moved'}`;
}
