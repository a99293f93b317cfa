import { Hooks } from '../../src/delivery/hooks.js';
import { embeddedEngine, type EmbeddedEngine } from '../../src/engine/embedded.js';
import type { Engine } from '../../src/engine/engine.js';
import { perform } from '../../src/runtime/effects.js';
import { Pacing } from '../../src/hub/pacing.js';
import { UnderWay } from '../../src/runtime/under-way.js';
import type { Logger } from '../../src/logger.js';
import type { RecordStore } from '../../src/store/record-store.js';
import { callbackKey } from '../../src/subscription/callback-key.js';
import type { SubscriptionEvent } from '../../src/subscription/events.js';
import { failureOf } from '../../src/subscription/failure.js';
import type { HubClient } from '../../src/subscription/hub-client.js';
import type { GrantRecord, SubscriptionRecord } from '../../src/subscription/record.js';
import { Registry } from '../../src/subscription/registry.js';
import { latestSecret } from '../../src/subscription/secrets.js';
import { isOver } from '../../src/subscription/state.js';
import type { ServiceTerms } from '../../src/subscription/terms.js';
import type { HubAnswer, HubRequest, Intent } from './hub-model.js';

/** What discovery came to: undefined where the publisher did not answer. */
export type Advertised = { readonly topic: string; readonly hubs: readonly string[] } | undefined;

/** What surrounds a process: its time, its store, what it reaches, and who watches. */
export interface Surroundings {
  readonly store: RecordStore;
  readonly terms: ServiceTerms;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly discover: () => Promise<Advertised>;
  readonly request: (request: HubRequest, grant: GrantRecord, record: SubscriptionRecord) => Promise<HubAnswer>;
  /** Whether the service's handler refuses what a hub wants verified. */
  readonly refuses: (mode: 'subscribe' | 'unsubscribe') => boolean;
  /** Told what a callback answered, with the grant and the subscription as they were before. */
  readonly onAnswer: (intent: Intent, answer: CallbackAnswer, grant: GrantRecord, before: SubscriptionRecord) => void;
}

/** What came of a GET on a callback. */
export type CallbackAnswer = 'confirmed' | 'acknowledged' | 'refused by the handler' | 'unknown' | 'not now';

/** A process with a registry in it. When it dies, nothing that was under way goes on. */
export class SubscriberProcess {
  readonly registry: Registry;
  /** When each subscription is next looked at, in the process's time. */
  readonly dueTimes = new Map<string, number>();
  /** Grants whose request, and whether a discovery, is under way. */
  readonly underWay = new Set<string>();
  isClosing = false;
  isDead = false;
  readonly #engine: EmbeddedEngine;
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
    const { logger, now, random, store, terms } = around;
    this.#engine = embeddedEngine({ now });
    const running = new UnderWay(logger);
    const pacing = new Pacing(8, new AbortController().signal);
    const hooks = new Hooks(logger);
    const client = this.#client();
    const termsOf = (): ServiceTerms => terms;
    this.registry = new Registry({
      store,
      engine: this.#watched(this.#engine),
      logger,
      now,
      random,
      termsOf,
      perform: (record, effect) => {
        if (this.isDead) return;
        const entryOf = (id: string) => this.registry.get(id);
        const isClosing = (): boolean => this.isClosing;
        // What may have been missed, no hub of the model has to do with.
        const news = { catchUp: () => {}, watch: () => {} };
        const options = { client, news, underWay: running, pacing, hooks, logger, now, termsOf, entryOf, isClosing };
        perform(options, record, effect);
      },
    });
  }

  /** Applies an event; never resolves where the process died meanwhile. */
  async apply(id: string, event: SubscriptionEvent): Promise<SubscriptionRecord> {
    if (!this.isDead) {
      try {
        const record = await this.registry.apply(id, event);
        if (!this.isDead) return record;
      } catch (error) {
        if (!this.isDead) throw error;
      }
    }
    return never();
  }

  tick(): void {
    if (!this.isDead) this.#engine.tick();
  }

  /** Answers a hub's GET as the callback does. */
  async answer(intent: Intent): Promise<boolean> {
    const match = this.isDead ? undefined : this.registry.match(callbackKey(intent.callback));
    if (match === undefined || match.grant.topic !== intent.topic) return false;
    const { record } = match.entry;
    let answer: CallbackAnswer;
    try {
      answer = intent.mode === 'denied' ? await this.#denied(match) : await this.#verified(match, intent);
    } catch {
      answer = 'not now';
    }
    if (this.isDead) return never();
    this.#around.onAnswer(intent, answer, match.grant, record);
    if (answer === 'confirmed' && intent.mode === 'subscribe') void this.#sent(record.id, match.grant.id);
    return answer === 'confirmed';
  }

  /** The answer has left. */
  async #sent(id: string, grantId: string): Promise<void> {
    try {
      await this.apply(id, { type: 'answered', grantId });
    } catch {
      // It is asked once more.
    }
  }

  async #denied({ entry, grant }: NonNullable<ReturnType<Registry['match']>>): Promise<CallbackAnswer> {
    if (isOver(grant)) return 'acknowledged';
    const failure = failureOf(new Error('the hub said no'), 'denied', this.#around.now());
    await this.apply(entry.record.id, { type: 'denied', grantId: grant.id, failure });
    return 'acknowledged';
  }

  async #verified(match: NonNullable<ReturnType<Registry['match']>>, { mode, lease }: Intent): Promise<CallbackAnswer> {
    if (mode === 'denied' || !this.registry.mayConfirm(match, mode)) return 'unknown';
    const { id } = match.entry.record;
    const grantId = match.grant.id;
    if (this.#around.refuses(mode)) {
      const failure = failureOf(new Error('the handler refused'), 'handler-refused', this.#around.now());
      await this.apply(id, { type: 'handler-refused', grantId, mode, failure });
      return 'refused by the handler';
    }
    const after = await this.apply(id, { type: 'verified', grantId, mode, leaseSeconds: lease });
    const reached = mode === 'subscribe' ? 'active' : 'unsubscribed';
    return after.grants.some((each) => each.id === grantId && each.state === reached) ? 'confirmed' : 'unknown';
  }

  #client(): HubClient {
    const { discover, now, request } = this.#around;
    return {
      discover: ({ id }) =>
        this.#tracked('discovery', async () => {
          const found = await discover();
          const failure = failureOf(new Error('the publisher did not answer'), 'discovery', now());
          await this.apply(id, found ? { type: 'discovered', ...found } : { type: 'discovery-failed', failure });
        }),
      request: (record, grantId, mode, { rules }) =>
        this.#tracked(`${mode} ${grantId}`, async () => {
          const grant = record.grants.find((each) => each.id === grantId);
          if (grant === undefined) return;
          const { id } = record;
          const requestId = this.#around.newId();
          const secret = mode === 'subscribe' ? this.#secretFor(record, grant) : undefined;
          const before = await this.apply(id, { type: 'requested', grantId, requestId, mode, secret });
          const asked = before.grants.find((each) => each.id === grantId);
          if (asked?.pending?.id !== requestId) return;
          const { hub: url, topic, callback } = asked;
          const answer = await request({ url, mode, topic, callback, secret: secret ?? null }, asked, before);
          const told = { grantId, requestId };
          if (answer.type === 'accepted') {
            await this.apply(id, { ...told, ...answer });
            return;
          }
          const cause = answer.type === 'refused' ? 'refused' : 'unreachable';
          const failure = failureOf(new Error(`the hub at ${url} was asked for ${rules.hubs}`), cause, now());
          await this.apply(id, { ...told, ...answer, failure });
        }),
    };
  }

  #secretFor({ overrides }: SubscriptionRecord, { secrets }: GrantRecord): string | null {
    const secret = overrides?.secret;
    if (secret === false) return null;
    return secret ?? latestSecret(secrets) ?? `secret-${this.#around.newId()}`;
  }

  async #tracked(what: string, work: () => Promise<void>): Promise<void> {
    this.underWay.add(what);
    try {
      await work();
    } finally {
      this.underWay.delete(what);
    }
  }

  #watched(engine: Engine): Engine {
    return {
      ...engine,
      timetable: (run) => {
        const table = engine.timetable((key) => {
          this.dueTimes.delete(key);
          run(key);
        });
        return {
          get size() {
            return table.size;
          },
          set: (key, at) => {
            if (at === undefined) this.dueTimes.delete(key);
            else this.dueTimes.set(key, at);
            table.set(key, at);
          },
          has: (key) => table.has(key),
          noLaterThan: (at) => {
            for (const [key, each] of this.dueTimes) if (each > at) this.dueTimes.set(key, at);
            table.noLaterThan(at);
          },
        };
      },
    };
  }
}

/** What a dead process would have gone on with. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}
