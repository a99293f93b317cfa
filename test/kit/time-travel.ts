import { subscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { Keyv } from 'keyv';
import { onTestFinished } from 'vitest';
import type { ServiceReference, StartOptions, Subscription, SubscriberRuntime } from 'websub-subscriber';
import { TestHub, type TestHubOptions } from 'websub-subscriber/testing';
import { MINUTE_MS, SECOND_MS } from './durations.js';
import { FakeWorld } from './fake-world.js';
import { unusedPort } from './ports.js';
import { recordingService } from './recording-service.js';
import { untilIdle } from './until-idle.js';
import { seededRandom } from './seeded-random.js';

const NO_LIMITS = { depth: Infinity, maxStringLength: Infinity, maxArrayLength: Infinity };

const SETTLE_LIMIT_MS = 15_000;

/** The HTTP requests of this process: those of the hub and those of the subscriber. */
const requests = { count: 0, open: new Set<unknown>() };

const requestOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'request' in message ? message.request : undefined;

subscribe('undici:request:create', (message) => {
  requests.count += 1;
  requests.open.add(requestOf(message));
});
for (const end of ['undici:request:trailers', 'undici:request:error']) {
  subscribe(end, (message) => void requests.open.delete(requestOf(message)));
}

/** One call of a hook of a subscription. */
export interface HookCall {
  readonly name: 'requested' | 'verified' | 'renewed' | 'failed' | 'expired';
  /** By the hub's clock, in epoch milliseconds. */
  readonly at: number;
  readonly id: string;
}

export interface TimeTravelOptions {
  /** The rows of the store. @default new ones in memory */
  readonly rows?: Map<string, unknown>;
  readonly hub?: TestHubOptions;
  /** The seed of the random numbers, which are the same on every run of the test. @default 1 */
  readonly seed?: number;
}

/**
 * A hub and a subscriber on one manual clock. Time jumps from one due time to the next and waits only for the requests
 * between the two. The subscriber can be stopped, and started again on the same store and port.
 */
export class TimeTravel {
  readonly world = new FakeWorld();
  readonly hookCalls: HookCall[] = [];
  readonly rows: Map<string, unknown>;
  /** Milliseconds by which the subscriber's clock is ahead of the hub's. */
  skew = 0;
  #hub: TestHub | undefined;
  #runtime: SubscriberRuntime | undefined;
  #port = 0;
  /** Ids of the subscriptions whose request has no result yet. */
  readonly #requested = new Set<string>();

  static async begin(options: TimeTravelOptions = {}): Promise<TimeTravel> {
    const travel = new TimeTravel(options);
    const hub = await TestHub.start({ now: () => travel.hubTime, ...options.hub });
    travel.#hub = hub;
    onTestFinished(() => hub.close());
    return travel;
  }

  private constructor({ rows = new Map(), seed = 1 }: TimeTravelOptions) {
    this.rows = rows;
    this.world.random = seededRandom(seed);
  }

  get hub(): TestHub {
    if (this.#hub === undefined) throw new Error('the hub has not started');
    return this.#hub;
  }

  get runtime(): SubscriberRuntime {
    if (this.#runtime === undefined) throw new Error('the subscriber is not running');
    return this.#runtime;
  }

  /** The hub's clock, in epoch milliseconds. */
  get hubTime(): number {
    return this.world.now - this.skew;
  }

  /** Starts the service. A running service is stopped first, then started on the same store, like a new process. */
  async start(service: ServiceReference, options: StartOptions = {}): Promise<SubscriberRuntime> {
    await this.stop();
    this.#port ||= await unusedPort();
    const store = new Keyv({ store: this.rows });
    const runtime = await this.world.start(service, { port: this.#port, store, ...options });
    this.#runtime = runtime;
    onTestFinished(() => runtime.stopNow());
    for (const name of ['requested', 'verified', 'renewed', 'failed', 'expired'] as const) {
      runtime.hooks.on(name, ({ subscription: { id } }) => {
        this.hookCalls.push({ name, at: this.hubTime, id });
        if (name === 'requested') this.#requested.add(id);
        else if (name !== 'expired') this.#requested.delete(id);
      });
    }
    await this.settle();
    return runtime;
  }

  async stop(): Promise<void> {
    await this.#runtime?.stop();
    this.#runtime = undefined;
    this.#requested.clear();
  }

  /** The only subscription, or the one whose topic ends with a path. */
  async subscription(path = ''): Promise<Subscription> {
    const subscriptions = await this.runtime.subscriptions.find();
    const subscription = subscriptions.find(({ target }) => typeof target === 'string' && target.endsWith(path));
    if (subscription === undefined) throw new Error(`there is no subscription ${path}`);
    return subscription;
  }

  /** Resolves when no request is open, neither of the hub nor of the subscriber. */
  async settle(): Promise<void> {
    const deadline = Date.now() + SETTLE_LIMIT_MS;
    const progress = (): string => [requests.count, this.hookCalls.length].join();
    for (let calmRounds = 0, lastProgress = progress(); calmRounds < 2; calmRounds += 1) {
      await untilIdle();
      await this.hub.settled();
      if (progress() !== lastProgress || requests.open.size > 0) calmRounds = -1;
      lastProgress = progress();
      if (Date.now() > deadline)
        throw new Error(`${requests.open.size} requests are still open after ${SETTLE_LIMIT_MS} ms`);
    }
  }

  /**
   * Lets time pass, from one due time to the next. Each step takes at least a second, because the engine looks for due
   * work once a second.
   *
   * @param verificationWaitMs milliseconds to the next step while a verification is expected; no due time shows its end
   */
  async advance(milliseconds: number, verificationWaitMs = MINUTE_MS): Promise<void> {
    const end = this.world.now + milliseconds;
    while (this.world.now < end) {
      const { now } = this.world;
      const due = (await this.runtime.subscriptions.find()).flatMap(dueTimesOf).filter((time) => time > now);
      const next = Math.min(end, ...due, this.#requested.size > 0 ? now + verificationWaitMs : Infinity);
      this.world.advance(Math.min(Math.max(SECOND_MS, next - now), Math.max(end - now, 1)));
      await this.settle();
    }
  }

  /** Stops the subscriber, then lets time pass. */
  async sleep(milliseconds: number): Promise<void> {
    await this.stop();
    this.world.advance(milliseconds);
  }

  /** Sets the subscriber's clock forward, or back by a negative number. No time passes for the hub. */
  async jump(milliseconds: number): Promise<void> {
    this.skew += milliseconds;
    this.world.advance(milliseconds);
    await this.settle();
  }

  /** The times of the requests at the hub, by its own clock. With a path, only those for a topic that ends with it. */
  requestTimes(path = ''): number[] {
    return this.hub.requests.flatMap(({ method, form, at }) =>
      method === 'POST' && form.get('hub.topic')?.endsWith(path) === true ? at.getTime() : [],
    );
  }

  /** Whether any logged line contains a text, at any depth of its fields. */
  hasLogged(text: string): boolean {
    return this.world.lines.some((line) => inspect(line, NO_LIMITS).includes(text));
  }
}

/** A hub that grants a lease of this length, and a subscriber with one subscription to it. */
export async function subscribedTravel(leaseMs: number) {
  const travel = await TimeTravel.begin({ hub: { leaseSeconds: leaseMs / SECOND_MS } });
  const topic = travel.hub.topic('/feed');
  const { service, received } = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
  await travel.start(service);
  const verificationWaitMs = Math.max(SECOND_MS, Math.min(MINUTE_MS, leaseMs / 10));
  const pass = (milliseconds: number): Promise<void> => travel.advance(milliseconds, verificationWaitMs);
  return { travel, topic, service, received, pass };
}

function dueTimesOf({ state, renewsAt, nextAttemptAt, expiresAt }: Subscription): number[] {
  const times = state === 'active' ? [renewsAt, nextAttemptAt, expiresAt] : [nextAttemptAt];
  return times.flatMap((date) => (date === undefined ? [] : date.getTime()));
}

/** The differences between successive times. */
export function waitsBetween(times: readonly number[]): number[] {
  return times.slice(1).map((at, index) => at - (times[index] ?? 0));
}
