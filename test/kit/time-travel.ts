import { subscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { Keyv } from 'keyv';
import { onTestFinished } from 'vitest';
import type { ServiceReference, StartOptions, Subscription, SubscriberRuntime } from 'websub-subscriber';
import { TestHub, type TestHubOptions } from 'websub-subscriber/testing';
import { FakeWorld } from './fake-world.js';
import { quiet } from './news-service.js';
import { deadPort, reader } from './world.js';

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

const WHOLE = { depth: Infinity, maxStringLength: Infinity, maxArrayLength: Infinity };

const LIMIT_MS = 15_000;

/** What is sent in this process, by whomever. */
const sent = { count: 0, open: new Set<unknown>() };

const requestOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'request' in message ? message.request : undefined;

subscribe('undici:request:create', (message) => {
  sent.count += 1;
  sent.open.add(requestOf(message));
});
for (const end of ['undici:request:trailers', 'undici:request:error']) {
  subscribe(end, (message) => void sent.open.delete(requestOf(message)));
}

/** What became of a subscription, and when. */
export interface Heard {
  readonly name: 'requested' | 'verified' | 'renewed' | 'failed' | 'expired';
  readonly at: number;
  readonly id: string;
}

/** How a journey is set up. */
export interface TravelOptions {
  /** Where the records lie. @default in memory, for as long as the journey */
  readonly rows?: Map<string, unknown>;
  readonly hub?: TestHubOptions;
  /** Chance is the same on every run of the test. @default 1 */
  readonly seed?: number;
}

/**
 * A hub and a subscriber that go through time together: from one thing that comes due to the next, waiting only until what
 * is under way between them has ended. The subscriber can be stopped and started again on the same store and port.
 */
export class Travel {
  readonly world = new FakeWorld();
  readonly heard: Heard[] = [];
  readonly rows: Map<string, unknown>;
  /** By how much the subscriber's clock is ahead of the hub's. */
  skew = 0;
  #hub: TestHub | undefined;
  #runtime: SubscriberRuntime | undefined;
  #port = 0;
  readonly #open = new Set<string>();

  static async begin(options: TravelOptions = {}): Promise<Travel> {
    const travel = new Travel(options);
    const hub = await TestHub.start({ now: () => travel.trueTime, ...options.hub });
    travel.#hub = hub;
    onTestFinished(() => hub.close());
    return travel;
  }

  private constructor({ rows = new Map(), seed = 1 }: TravelOptions) {
    this.rows = rows;
    this.world.random = chance(seed);
  }

  get hub(): TestHub {
    if (this.#hub === undefined) throw new Error('it has not begun');
    return this.#hub;
  }

  get runtime(): SubscriberRuntime {
    if (this.#runtime === undefined) throw new Error('it is not running');
    return this.#runtime;
  }

  /** What the hub takes for now. */
  get trueTime(): number {
    return this.world.now - this.skew;
  }

  /** Starts the service; where it runs already, anew on the same store, as another process would. */
  async start(service: ServiceReference, options: StartOptions = {}): Promise<SubscriberRuntime> {
    await this.stop();
    this.#port ||= await deadPort();
    const store = new Keyv({ store: this.rows });
    const runtime = await this.world.start(service, { port: this.#port, store, ...options });
    this.#runtime = runtime;
    onTestFinished(() => runtime.stopNow());
    for (const name of ['requested', 'verified', 'renewed', 'failed', 'expired'] as const) {
      runtime.hooks.on(name, ({ subscription: { id } }) => {
        this.heard.push({ name, at: this.trueTime, id });
        if (name === 'requested') this.#open.add(id);
        else if (name !== 'expired') this.#open.delete(id);
      });
    }
    await this.settle();
    return runtime;
  }

  async stop(): Promise<void> {
    await this.#runtime?.stop();
    this.#runtime = undefined;
    this.#open.clear();
  }

  /** The only subscription, or the one of a topic at this path. */
  async seen(path = ''): Promise<Subscription> {
    const all = await this.runtime.subscriptions.find();
    const found = all.find(({ target }) => typeof target === 'string' && target.endsWith(path));
    if (found === undefined) throw new Error(`there is no subscription ${path}`);
    return found;
  }

  /** What is under way is done: hub and subscriber share this process, so that whatever either sends is seen. */
  async settle(): Promise<void> {
    const timeUp = Date.now() + LIMIT_MS;
    const marks = (): string => [sent.count, this.heard.length].join();
    for (let calm = 0, last = marks(); calm < 2; calm += 1) {
      await quiet();
      await this.hub.settled();
      if (marks() !== last || sent.open.size > 0) calm = -1;
      last = marks();
      if (Date.now() > timeUp) throw new Error(`${sent.open.size} requests are under way for ${LIMIT_MS} ms`);
    }
  }

  /**
   * Lets time pass from one thing that comes due to the next, and never by less than the second in which due work is looked
   * for.
   *
   * @param patienceMs how long a hub is given to verify: the end of that is told by nothing
   */
  async pass(milliseconds: number, patienceMs = MINUTE_MS): Promise<void> {
    const end = this.world.now + milliseconds;
    while (this.world.now < end) {
      const { now } = this.world;
      const due = (await this.runtime.subscriptions.find()).flatMap(comesDueAt).filter((time) => time > now);
      const next = Math.min(end, ...due, this.#open.size > 0 ? now + patienceMs : Infinity);
      this.world.pass(Math.min(Math.max(SECOND_MS, next - now), Math.max(end - now, 1)));
      await this.settle();
    }
  }

  /** Time passes while nobody runs. */
  async sleep(milliseconds: number): Promise<void> {
    await this.stop();
    this.world.pass(milliseconds);
  }

  /** The subscriber's clock is set forth or, by a negative number, back; for its hub no time passes. */
  async jump(milliseconds: number): Promise<void> {
    this.skew += milliseconds;
    this.world.pass(milliseconds);
    await this.settle();
  }

  /** When the hub was asked to subscribe (to a topic at this path), by its own clock. */
  asked(path = ''): number[] {
    return this.hub.requests.flatMap(({ method, form, at }) =>
      method === 'POST' && form.get('hub.topic')?.endsWith(path) === true ? at.getTime() : [],
    );
  }

  /** Whether a text is in what was logged, however deep. */
  hasLogged(text: string): boolean {
    return this.world.lines.some((line) => inspect(line, WHOLE).includes(text));
  }
}

/** A journey with one subscription, at a hub that grants a lease of this length. */
export async function subscribed(leaseMs: number) {
  const travel = await Travel.begin({ hub: { leaseSeconds: leaseMs / SECOND_MS } });
  const topic = travel.hub.topic('/feed');
  const { service, got } = reader({ target: topic.url, unsubscribeOnShutdown: false });
  await travel.start(service);
  const patienceMs = Math.max(SECOND_MS, Math.min(MINUTE_MS, leaseMs / 10));
  const pass = (milliseconds: number): Promise<void> => travel.pass(milliseconds, patienceMs);
  return { travel, topic, service, got, pass };
}

function comesDueAt({ state, renewsAt, nextAttemptAt, expiresAt }: Subscription): number[] {
  const times = state === 'active' ? [renewsAt, nextAttemptAt, expiresAt] : [nextAttemptAt];
  return times.flatMap((date) => (date === undefined ? [] : date.getTime()));
}

/** The waits between points in time. */
export function waitsBetween(times: readonly number[]): number[] {
  return times.slice(1).map((at, index) => at - (times[index] ?? 0));
}

/** Numbers from 0 to 1 that look random and are the same each time (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
