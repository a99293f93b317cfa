import { StoreError } from '../../../src/errors.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { newSubscription, type SubscriptionRecord } from '../../../src/subscription/record/record.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { HubModel } from './hub-model.js';
import { RULES } from '../machine/life.js';
import { ID, LONGEST_LEASE_MS, type Setup, type Watched } from './model-setup.js';
import { ModelWatch } from './model-watch.js';
import { TERMS } from '../registry/registry-world.js';
import { SubscriberProcess, type Advertised } from './subscriber-process.js';
import { randomNumbers, settled, Timeline } from '../machine/timeline.js';

export const TOPICS = ['https://publisher.example/feed', 'https://publisher.example/moved'] as const;
export const HUBS = ['https://a.example/', 'https://b.example/', 'https://c.example/'] as const;

/** In so many events, a step of time ends at the latest. */
const MOST_EVENTS = 40;

export interface Publisher {
  readonly topic: string;
  readonly hubs: readonly string[];
  /** After how many seconds it answers; undefined where it fails. */
  readonly answers: number | undefined;
}

/** What the next writes to the store come to. */
export interface StoreFaults {
  /** So many writes fail. */
  failing: number;
  /** With this write, counted from 1, the process dies. */
  dyingAt: number | undefined;
  /** Whether what was written then is there all the same. */
  isKept: boolean;
}

/** One subscriber, its store, hubs and a publisher; and who watches what they do. */
export class ModelWorld implements Watched {
  readonly timeline = new Timeline();
  readonly setup: Setup;
  readonly hubs: readonly HubModel[];
  readonly watch: ModelWatch;
  readonly trace: string[] = [];
  readonly faults: StoreFaults = { failing: 0, dyingAt: undefined, isKept: false };
  publisher: Publisher = { topic: TOPICS[0], hubs: [HUBS[0]], answers: 0 };
  process: SubscriberProcess | undefined;
  /** What the handler refuses. */
  refusing: 'subscribe' | 'unsubscribe' | undefined;
  /** How far the subscriber's clock is off, in milliseconds. */
  skew = 0;
  base = 'https://me.example/websub';
  readonly #stored = new Map<string, string>();
  #unwritten: unknown;
  #isUnsure = false;
  readonly #random: () => number;
  #made = 0;

  constructor(setup: Setup) {
    this.setup = setup;
    const { random, seed } = setup;
    this.#random = random === undefined ? randomNumbers(seed) : () => random;
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
    const found = this.hubs.find((hub) => url.startsWith(hub.url));
    if (found === undefined) throw new Error(`there is no hub at ${url}`);
    return found;
  }

  note(what: string): void {
    this.trace.push(`${new Date(this.timeline.now).toISOString()} ${what}`);
  }

  /** The process begins: what is stored is loaded, and what is wanted asked for. */
  async start(): Promise<void> {
    this.note('start');
    Object.assign(this.faults, { failing: 0, dyingAt: undefined });
    this.#flush();
    const process: SubscriberProcess = new SubscriberProcess({
      store: this.#store(() => process.isDead),
      terms: this.#terms(),
      logger: this.watch.logger,
      now: () => this.now,
      random: this.#random,
      newId: () => this.#newId(),
      discover: () => this.#discover(),
      request: (request, grant, record) => {
        this.note(`${request.mode} ${request.url} ${request.topic} ${request.callback.slice(0, 40)}`);
        this.watch.onRequest(this.hubOf(request.url), request, grant, record);
        return this.hubOf(request.url).request(request);
      },
      onOutcome: (answer, mode, grant) => this.watch.onOutcome(answer, mode, grant),
      refuses: (mode) => this.refusing === mode,
      onHandler: (call, grant) => this.watch.onHandler(call, grant),
      onAnswer: (intent, answer, grant, before) => {
        this.note(`${intent.mode} at ${intent.callback.slice(0, 40)} with ${intent.lease ?? 'no lease'}: ${answer}`);
        this.watch.onAnswer(intent, answer, grant, before);
      },
    });
    this.process = process;
    // The engine knows the time; what is due is not looked for before all has been asked for that is wanted.
    process.tick();
    await process.registry.load();
    if (process.registry.get(ID) === undefined) await process.registry.add(this.#wanted());
    this.watch.onStart(this.#isUnsure);
    this.#isUnsure = false;
    await this.tell({ type: 'wanted' });
    this.watch.afterStart();
  }

  /** The process ends, and with it all that was under way. */
  kill(): void {
    if (this.process === undefined) return;
    this.note('the process is gone');
    this.process.isDead = true;
    this.process = undefined;
    this.watch.onEnd();
  }

  /** @returns whether the event was applied */
  async tell(event: SubscriptionEvent): Promise<boolean> {
    let isDone = false;
    const done = this.process?.apply(ID, event).then(
      () => (isDone = true),
      () => undefined,
    );
    // A process that dies meanwhile never answers.
    void done;
    await settled();
    this.#bury();
    return isDone;
  }

  /** Lets time pass, and what is scheduled in it happen; ends early where that is a lot. */
  async pass(milliseconds: number, most = MOST_EVENTS): Promise<number> {
    const end = this.timeline.now + milliseconds;
    let events = 0;
    for (; events < most && this.watch.wrong.length === 0; events += 1) {
      const at = Math.min(this.timeline.nextAt, this.#nextDue());
      if (at > end) break;
      this.timeline.moveTo(at);
      await this.look();
    }
    if (events < most) this.timeline.moveTo(end);
    return events;
  }

  /** What is due is done, and all is checked. */
  async look(): Promise<void> {
    await settled();
    this.#bury();
    this.watch.afterForgery(this.refusing);
    this.process?.tick();
    await settled();
    this.#bury();
    this.watch.check();
  }

  /** From now on all goes well. */
  heal(): void {
    this.note('from now on all goes well');
    for (const hub of this.hubs) hub.heal();
    this.publisher = { ...this.publisher, answers: 1 };
    this.refusing = undefined;
    Object.assign(this.faults, { failing: 0, dyingAt: undefined });
  }

  #nextDue(): number {
    const due = this.process?.dueTimes.get(ID);
    return due === undefined ? Infinity : Math.max(due - this.skew, this.timeline.now);
  }

  #bury(): void {
    if (this.process?.isDead === true) this.kill();
  }

  async #discover(): Promise<Advertised> {
    const { answers } = this.publisher;
    await this.timeline.passed((answers ?? 10) * 1000);
    const { topic, hubs } = this.publisher;
    const isFound = answers !== undefined && this.publisher.answers !== undefined;
    this.watch.onDiscovery();
    this.note(isFound ? `found ${topic} at ${hubs.join(' ')}` : 'nothing found');
    return isFound ? { topic, hubs } : undefined;
  }

  #wanted(): SubscriptionRecord {
    const target = this.setup.isGiven ? { hub: HUBS[0], topic: TOPICS[0] } : TOPICS[0];
    return newSubscription({ id: ID, service: 'News', target, declared: true, createdAt: this.now, overrides: {} });
  }

  #terms(): RequestPolicy {
    const { hubs, maxAttempts, protocol, afterDenial, rotateSecret, rotateCallback } = this.setup;
    const { base } = this;
    const maxLeaseSeconds = LONGEST_LEASE_MS / 1000;
    return {
      ...TERMS,
      protocol,
      rules: { ...RULES, hubs, maxAttempts, maxLeaseSeconds, afterDenial, rotateSecret, rotateCallback },
      callbackOf: (path) => `${base}/${path}`,
      newPath: () => `path-${this.#newId()}`.padEnd(43, '_'),
    };
  }

  #newId(): string {
    this.#made += 1;
    return String(this.#made);
  }

  #store(isDead: () => boolean): RecordStore {
    const stored = this.#stored;
    const { faults } = this;
    const never = (): Promise<never> => new Promise(() => {});
    const keep = (value: unknown): void => {
      this.#unwritten = value;
      this.#isUnsure = true;
    };
    return {
      location: 'memory',
      durable: true,
      get: async (_kind, id) => parsed(stored.get(id)),
      set: async (_kind, _id, value) => {
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
          // What was stored before may have been answered by then, or not.
          this.#isUnsure = true;
          this.note(`dying with a write that is ${faults.isKept ? 'kept' : 'lost'}`);
          if (this.process !== undefined) this.process.isDead = true;
          await never();
        }
        this.watch.onWrite();
        this.#unwritten = value;
      },
      delete: async (_kind, id) => void stored.delete(id),
      async *list() {
        for (const [id, value] of stored) yield [id, parsed(value)] as const;
      },
      close: async () => undefined,
    };
  }

  /** Only what a new process reads has to be text. */
  #flush(): void {
    if (this.#unwritten !== undefined) this.#stored.set(ID, JSON.stringify(this.#unwritten));
  }
}

function parsed(value: string | undefined): unknown {
  return value === undefined ? undefined : JSON.parse(value);
}
