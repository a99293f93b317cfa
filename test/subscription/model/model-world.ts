import { StoreError } from '../../../src/errors.js';
import type { RecordChange, RecordStore } from '../../../src/store/record-store.js';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { newSubscription, type SubscriptionRecord } from '../../../src/subscription/record/record.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { HubModel } from './hub-model.js';
import { RULES } from '../machine/subscription-machine.js';
import { ID, LONGEST_LEASE_MS, type Setup, type Watched } from './model-setup.js';
import { ModelWatch } from './model-watch.js';
import { POLICY } from '../registry/registry-world.js';
import { SubscriberProcess, type Advertised } from './subscriber-process.js';
import { seededRandom } from '../../kit/seeded-random.js';
import { settled, Timeline } from '../machine/timeline.js';

export const TOPICS = ['https://publisher.example/feed', 'https://publisher.example/moved'] as const;
export const HUBS = ['https://a.example/', 'https://b.example/', 'https://c.example/'] as const;

/** One `advance` makes at most this many steps. */
const MAX_STEPS = 40;

export interface Publisher {
  readonly topic: string;
  readonly hubs: readonly string[];
  /** Seconds until it answers; undefined if it fails. */
  readonly answerSeconds: number | undefined;
}

/** The faults of the next writes to the store. */
export interface StoreFaults {
  /** This many writes fail. */
  failing: number;
  /** The process dies at this write, counted from 1. */
  dyingAt: number | undefined;
  /** Whether the data of that write is stored anyway. */
  isKept: boolean;
}

/** One subscriber, its store, hubs and a publisher, and the watch that checks them. */
export class ModelWorld implements Watched {
  readonly timeline = new Timeline();
  readonly setup: Setup;
  readonly hubs: readonly HubModel[];
  readonly watch: ModelWatch;
  readonly trace: string[] = [];
  readonly faults: StoreFaults = { failing: 0, dyingAt: undefined, isKept: false };
  publisher: Publisher = { topic: TOPICS[0], hubs: [HUBS[0]], answerSeconds: 0 };
  process: SubscriberProcess | undefined;
  /** The requests that the handler refuses. */
  refusedMode: 'subscribe' | 'unsubscribe' | undefined;
  /** How far the clock of the subscriber is ahead of the timeline, in milliseconds. */
  skew = 0;
  base = 'https://me.example/websub';
  readonly #stored = new Map<string, string>();
  #unwritten: unknown;
  #isUnsure = false;
  readonly #random: () => number;
  #idCount = 0;

  constructor(setup: Setup) {
    this.setup = setup;
    const { random, seed } = setup;
    this.#random = random === undefined ? seededRandom(seed) : () => random;
    this.hubs = HUBS.map(
      (url) => new HubModel(url, this.timeline, (intent) => this.process?.answer(intent) ?? Promise.resolve(false)),
    );
    this.watch = new ModelWatch(this);
  }

  /** The subscriber's time. */
  get now(): number {
    return this.timeline.now + this.skew;
  }

  get record(): SubscriptionRecord | undefined {
    return this.process?.registry.get(ID)?.record;
  }

  hubOf(url: string): HubModel {
    const hub = this.hubs.find((each) => url.startsWith(each.url));
    if (hub === undefined) throw new Error(`there is no hub at ${url}`);
    return hub;
  }

  note(what: string): void {
    this.trace.push(`${new Date(this.timeline.now).toISOString()} ${what}`);
  }

  /** Starts a process: loads the store, and requests what is wanted. */
  async start(): Promise<void> {
    this.note('start');
    Object.assign(this.faults, { failing: 0, dyingAt: undefined });
    this.#flush();
    const process: SubscriberProcess = new SubscriberProcess({
      store: this.#store(() => process.isDead),
      requestPolicy: this.policy,
      logger: this.watch.logger,
      now: () => this.now,
      random: this.#random,
      newId: () => this.#newId(),
      waitForSlot: () => this.#waitForSlot(),
      onEffect: (effect) => this.watch.onEffect(effect),
      discover: () => this.#discover(),
      request: (request, grant, record) => {
        this.note(`${request.mode} ${request.url} ${request.topic} ${request.callback.slice(0, 40)}`);
        this.watch.onRequest(this.hubOf(request.url), request, grant, record);
        return this.hubOf(request.url).request(request);
      },
      onOutcome: (answer, mode, grant) => this.watch.onOutcome(answer, mode, grant),
      refuses: (mode) => this.refusedMode === mode,
      onHandler: (call, grant) => this.watch.onHandler(call, grant),
      onAnswer: (intent, answer, grant, before) => {
        this.note(`${intent.mode} at ${intent.callback.slice(0, 40)} with ${intent.lease ?? 'no lease'}: ${answer}`);
        this.watch.onAnswer(intent, answer, grant, before);
      },
    });
    this.process = process;
    // The engine knows the time. Due work starts only after everything wanted was requested.
    process.tick();
    await process.registry.load();
    if (process.registry.get(ID) === undefined) await process.registry.add(this.#wanted());
    this.watch.onStart(this.#isUnsure);
    this.#isUnsure = false;
    await this.applyInput({ type: 'wanted' });
    this.watch.afterStart();
  }

  /** Ends the process, and with it all work in flight. */
  kill(): void {
    if (this.process === undefined) return;
    this.note('the process is gone');
    this.process.isDead = true;
    this.process = undefined;
    this.watch.onEnd();
  }

  /** @returns whether the input was applied */
  async applyInput(input: TransitionInput): Promise<boolean> {
    let isDone = false;
    const done = this.process?.apply(ID, input).then(
      () => (isDone = true),
      () => undefined,
    );
    // A process that dies meanwhile never answers.
    void done;
    await settled();
    this.#removeDead();
    return isDone;
  }

  /** Advances the clock and runs planned work. Ends early after `maxSteps` steps. */
  async advance(milliseconds: number, maxSteps = MAX_STEPS): Promise<number> {
    const end = this.timeline.now + milliseconds;
    let steps = 0;
    for (; steps < maxSteps && this.watch.violations.length === 0; steps += 1) {
      const at = Math.min(this.timeline.nextAt, this.#nextDue());
      if (at > end) break;
      this.timeline.moveTo(at);
      await this.runDueWork();
    }
    if (steps < maxSteps) this.timeline.moveTo(end);
    return steps;
  }

  /** Does all due work, and checks everything. */
  async runDueWork(): Promise<void> {
    await settled();
    this.#removeDead();
    this.watch.afterForgery(this.refusedMode);
    this.process?.tick();
    await settled();
    this.#removeDead();
    this.watch.check();
  }

  /** From now on nothing fails. */
  heal(): void {
    this.note('from now on nothing fails');
    for (const hub of this.hubs) hub.heal();
    this.publisher = { ...this.publisher, answerSeconds: 1 };
    this.refusedMode = undefined;
    Object.assign(this.faults, { failing: 0, dyingAt: undefined });
  }

  #nextDue(): number {
    const { process } = this;
    const isFetching = process?.inFlight.has(`catch-up ${ID}`) === true;
    const times = [...(process?.dueTimes ?? [])].flatMap(([key, at]) => (key === ID || !isFetching ? at : []));
    return Math.max(Math.min(...times) - this.skew, this.timeline.now);
  }

  #removeDead(): void {
    if (this.process?.isDead === true) this.kill();
  }

  async #waitForSlot(): Promise<void> {
    const { paceSeconds } = this.setup;
    if (paceSeconds > 0) await this.timeline.passed(paceSeconds * 1000);
  }

  async #discover(): Promise<Advertised> {
    const { answerSeconds } = this.publisher;
    await this.timeline.passed((answerSeconds ?? 10) * 1000);
    const { topic, hubs } = this.publisher;
    const isFound = answerSeconds !== undefined && this.publisher.answerSeconds !== undefined;
    this.watch.onDiscovery();
    this.note(isFound ? `found ${topic} at ${hubs.join(' ')}` : 'nothing found');
    return isFound ? { topic, hubs } : undefined;
  }

  #wanted(): SubscriptionRecord {
    const target = this.setup.isGiven ? { hub: HUBS[0], topic: TOPICS[0] } : TOPICS[0];
    return newSubscription({ id: ID, service: 'News', target, declared: true, createdAt: this.now, overrides: {} });
  }

  get policy(): RequestPolicy {
    const { hubs, maxAttempts, protocol, afterDenial, rotateSecret, rotateCallback } = this.setup;
    const { base } = this;
    const maxLeaseSeconds = LONGEST_LEASE_MS / 1000;
    return {
      ...POLICY,
      protocol,
      rules: { ...RULES, hubs, maxAttempts, maxLeaseSeconds, afterDenial, rotateSecret, rotateCallback },
      callbackOf: (path) => `${base}/${path}`,
      newPath: () => `path-${this.#newId()}`.padEnd(43, '_'),
    };
  }

  #newId(): string {
    this.#idCount += 1;
    return String(this.#idCount);
  }

  #store(isDead: () => boolean): RecordStore {
    const stored = this.#stored;
    const { faults } = this;
    const never = (): Promise<never> => new Promise(() => {});
    const keep = (value: unknown): void => {
      this.#unwritten = value;
      this.#isUnsure = true;
    };
    const set: RecordStore['set'] = async (_kind, _id, value) => {
      if (isDead()) await never();
      if (faults.failing > 0) {
        faults.failing -= 1;
        if (faults.isKept) keep(value);
        throw new StoreError('the store is down');
      }
      if (faults.dyingAt !== undefined) faults.dyingAt -= 1;
      if (faults.dyingAt === 0) {
        faults.dyingAt = undefined;
        if (faults.isKept) keep(value);
        // Data stored before may or may not have been answered by then.
        this.#isUnsure = true;
        this.note(`dying with a write that is ${faults.isKept ? 'kept' : 'lost'}`);
        if (this.process !== undefined) this.process.isDead = true;
        await never();
      }
      this.watch.onWrite();
      this.#unwritten = value;
    };
    // The model looks at subscriptions only. Histories are written with them.
    const isSubscription = ({ kind }: Pick<RecordChange, 'kind'>): boolean => kind === 'subscription';
    return {
      location: 'memory',
      durable: true,
      get: async (kind, id) => (isSubscription({ kind }) ? parsed(stored.get(id)) : undefined),
      set,
      write: async (changes) => {
        for (const { kind, id, value } of changes.filter(isSubscription)) {
          if (value === undefined) stored.delete(id);
          else await set(kind, id, value);
        }
      },
      delete: async (_kind, id) => void stored.delete(id),
      async *list(kind) {
        if (isSubscription({ kind })) for (const [id, value] of stored) yield [id, parsed(value)] as const;
      },
      close: async () => undefined,
    };
  }

  /** Only data that a new process reads has to be text. */
  #flush(): void {
    if (this.#unwritten !== undefined) this.#stored.set(ID, JSON.stringify(this.#unwritten));
  }
}

function parsed(value: string | undefined): unknown {
  return value === undefined ? undefined : JSON.parse(value);
}
