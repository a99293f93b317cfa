import { subscriberHooks } from '../../../src/delivery/hook-payloads.js';
import type { CallbackRequest } from '../../../src/http/callback-request.js';
import type { EventHandler, IntentHandlers } from '../../../src/delivery/handler/handlers.js';
import type { CallbackContext, CallbackService, RecentVerifications } from '../../../src/http/callback-context.js';
import { answerIntent } from '../../../src/http/intent/intent.js';
import { NoticeThrottle, RecentAnswers } from '../../../src/http/intent/recent-answers.js';
import { embeddedEngine, type EmbeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { Engine } from '../../../src/engine/engine.js';
import { performEffect } from '../../../src/runtime/background/effects.js';
import { OriginRateLimits } from '../../../src/hub/pacing/origin-rate-limits.js';
import { OriginLimiter } from '../../../src/hub/pacing/origin-limiter.js';
import { latch } from '../../../src/runtime/lifecycle/latch.js';
import { BackgroundTasks } from '../../../src/runtime/background/background-tasks.js';
import { StoreError } from '../../../src/errors.js';
import type { Logger } from '../../../src/logger.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { isHubRecovery } from '../../../src/subscription/machine/steps/on-hub-delivered.js';
import { failureOf } from '../../../src/subscription/record/failure.js';
import type { HubClient } from '../../../src/subscription/requests/hub-client.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { Registry, type CallbackMatch } from '../../../src/subscription/registry/registry.js';
import { acceptedSecrets, latestSecret } from '../../../src/subscription/machine/rules/secrets.js';
import { isOver, isNeverRequested } from '../../../src/subscription/machine/state.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import type { HubAnswer, HubRequest, Intent } from './hub-model.js';

/** What discovery came to: undefined where the publisher did not answer. */
export type Advertised = { readonly topic: string; readonly hubs: readonly string[] } | undefined;

/** What surrounds a process: its time, its store, what it reaches, and who watches. */
export interface Surroundings {
  readonly store: RecordStore;
  readonly terms: RequestPolicy;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly discover: () => Promise<Advertised>;
  readonly request: (request: HubRequest, grant: GrantRecord, record: SubscriptionRecord) => Promise<HubAnswer>;
  /** Told how a request ended, once that is noted, with the grant as it was before. */
  readonly onOutcome: (answer: HubAnswer, mode: 'subscribe' | 'unsubscribe', grant: GrantRecord) => void;
  /** Whether the service's handler refuses what a hub wants verified. */
  readonly refuses: (mode: 'subscribe' | 'unsubscribe') => boolean;
  /** Told when a handler of the service is called, with its subscription as it was then. */
  readonly onHandler: (call: Intent['mode'], grant: GrantRecord) => void;
  /** Told what a callback answered, with the grant and the subscription as they were before. */
  readonly onAnswer: (intent: Intent, answer: Answered, grant: GrantRecord, before: SubscriptionRecord) => void;
}

/** What came of a GET on a callback. */
export type Answered = 'confirmed' | 'acknowledged' | 'refused by the handler' | 'unknown' | 'not now';

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
  readonly #callbacks: CallbackContext;
  readonly #service: CallbackService;
  /** Grants as they were when a GET came for them last. */
  readonly #matched = new Map<string, GrantRecord>();

  constructor(around: Surroundings) {
    this.#around = around;
    const { logger, now, random, store, terms } = around;
    this.#engine = embeddedEngine({ now });
    const running = new BackgroundTasks(logger);
    const pacing = new OriginLimiter(8, new AbortController().signal);
    const hooks = subscriberHooks(logger);
    const begun = latch();
    begun.open();
    const client = this.#client();
    const holds = new OriginRateLimits({ now, random });
    const termsOf = (): RequestPolicy => terms;
    this.registry = new Registry({
      store,
      engine: this.#watched(this.#engine),
      logger,
      now,
      random,
      requestPolicyOf: termsOf,
      perform: (record, effect) => {
        if (this.isDead) return;
        const entryOf = (id: string) => this.registry.get(id);
        const isClosing = (): boolean => this.isClosing;
        // What may have been missed, no hub of the model has to do with.
        const news = { catchUp: () => {}, startPolling: () => {}, resumeTopic: () => {} };
        const common = {
          client,
          pipeline: news,
          backgroundTasks: running,
          pacing,
          rateLimits: holds,
          hooks,
          logger,
          now,
          requestPolicyOf: termsOf,
          subscriptionOf: entryOf,
          isClosing,
          requestsAllowed: begun,
        };
        performEffect(common, record, effect);
      },
    });
    const { registry } = this;
    const verdicts: RecentVerifications = new RecentAnswers();
    const notices = new NoticeThrottle();
    this.#callbacks = {
      registry,
      ...nothingOf<
        Pick<CallbackContext, 'delivery' | 'limits' | 'rejections' | 'refusedContent' | 'unknownCallbacks'>
      >(),
      hooks,
      logger,
      now,
      serviceOf: () => this.#service,
      recentVerifications: verdicts,
      recentNotices: notices,
      isClosed: () => false,
    };
    this.#service = {
      ...nothingOf<CallbackService>(),
      name: 'News',
      redactedValues: [],
      handlers: { ...nothingOf<EventHandler>(), ...this.#handlers() },
      delivery: { ...nothingOf<CallbackService['delivery']>(), ackAfterMs: 5_000 },
    };
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

  /** Answers a GET as the callback does. Resolves to whether the answer is the challenge. */
  async answer(intent: Intent): Promise<boolean> {
    const match = this.isDead ? undefined : this.registry.match(callbackKey(intent.callback));
    if (match === undefined) return false;
    const { record } = match.stored;
    this.#matched.set(match.grant.id, match.grant);
    const answered = await this.#answered(intent, match);
    if (this.isDead) return never();
    this.#around.onAnswer(intent, answered, match.grant, record);
    return answered === 'confirmed';
  }

  async #answered(intent: Intent, match: CallbackMatch): Promise<Answered> {
    const { mode } = intent;
    try {
      const { status, body, onSent } = await answerIntent(
        this.#callbacks,
        { ...match, service: this.#service },
        asked(intent),
      );
      if (this.isDead) return await never<Answered>();
      if (status === 200) {
        onSent?.();
        return mode === 'subscribe' || mode === 'unsubscribe' ? 'confirmed' : 'acknowledged';
      }
      return body === REFUSED ? 'refused by the handler' : 'unknown';
    } catch (error) {
      // Anything else would be answered 503 as well, and is a fault of this model, or of what it runs.
      if (!(error instanceof StoreError)) throw error;
      return 'not now';
    }
  }

  /** Answers content that is signed with a secret, or not at all where that is null, and notes what follows from it. */
  content(callback: string, secret: string | null): number {
    const match = this.isDead ? undefined : this.registry.match(callbackKey(callback));
    const status = contentStatus(match, secret, this.#around.now());
    if (match === undefined || (status !== 202 && status !== 403)) return status;
    const { stored, grant } = match;
    const { id } = stored.record;
    const isSigned = secret !== null;
    if (status === 202 && isHubRecovery(grant, isSigned)) {
      this.#inBackground(id, { type: 'hub-delivered', grantId: grant.id, isSigned });
    }
    // One rejection a minute is noted.
    if (status === 403 && this.#callbacks.recentNotices.claim(stored, 'rejected', this.#around.now())) {
      const failure = failureOf(new Error(UNSIGNED), 'unsigned', this.#around.now());
      this.#inBackground(id, { type: 'content-rejected', failure });
    }
    return status;
  }

  #inBackground(id: string, event: SubscriptionEvent): void {
    // Should it not be stored, it comes again with the next content.
    this.apply(id, event).catch(() => undefined);
  }

  #handlers(): IntentHandlers {
    const called = (mode: Intent['mode'], { id }: { readonly id: string }): void => {
      const grant = this.#matched.get(id);
      if (grant !== undefined && !this.isDead) this.#around.onHandler(mode, grant);
    };
    const verify = (mode: 'subscribe' | 'unsubscribe', grant: { readonly id: string }): void => {
      called(mode, grant);
      if (this.#around.refuses(mode)) throw new Error(REASON);
    };
    return {
      onSubscriptionVerification: ({ grant }) => verify('subscribe', grant),
      onUnsubscriptionVerification: ({ grant }) => verify('unsubscribe', grant),
      onSubscriptionValidationDenied: ({ grant }) => called('denied', grant),
      onHubError: ({ grant }) => called('hub-error', grant),
    };
  }

  #client(): HubClient {
    const { discover, now, onOutcome, request } = this.#around;
    return {
      discover: ({ id }) =>
        this.#tracked('discovery', async () => {
          const found = await discover();
          const failure = failureOf(new Error('the publisher did not answer'), 'discovery', now());
          await this.apply(id, found ? { type: 'discovered', ...found } : { type: 'discovery-failed', failure });
        }),
      wouldDefer: () => false,
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
          // What was forgotten meanwhile is of no matter.
          const present = this.registry.get(id)?.record.grants.find((each) => each.id === grantId);
          if (answer.type === 'accepted') {
            await this.apply(id, { ...told, ...answer });
          } else {
            const cause = answer.type === 'refused' ? 'refused' : 'unreachable';
            const failure = failureOf(new Error(`the hub at ${url} was asked for ${rules.hubs}`), cause, now());
            await this.apply(id, { ...told, ...answer, failure });
          }
          if (present?.pending?.id === requestId) onOutcome(answer, mode, present);
        }),
    };
  }

  #secretFor({ overrides }: SubscriptionRecord, { secrets, freshSecret }: GrantRecord): string | null {
    const secret = overrides?.secret;
    if (secret === false) return null;
    const known = freshSecret === true ? undefined : latestSecret(secrets);
    return secret ?? known ?? `secret-${this.#around.newId()}`;
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
          bringForwardTo: (at) => {
            for (const [key, each] of this.dueTimes) if (each > at) this.dueTimes.set(key, at);
            table.bringForwardTo(at);
          },
        };
      },
    };
  }
}

/** What content is answered, as `http/distribution` does, whatever becomes of it. */
export function contentStatus(match: CallbackMatch | undefined, secret: string | null, now: number): number {
  if (match === undefined) return 404;
  const { stored, grant } = match;
  const { stoppedBecause: hold } = stored.record;
  if (isNeverRequested(grant) || (hold === 'handler-refused' && grant.verifiedAt === undefined)) return 404;
  if (isOver(grant) || hold === 'deleted') return 410;
  const { values, unsigned } = acceptedSecrets(grant.secrets, now);
  return unsigned || (secret !== null && values.includes(secret)) ? 202 : 403;
}

const REASON = 'the handler refused';
const REFUSED = new URLSearchParams({ reason: REASON }).toString();

const UNSIGNED = 'the content is not signed as it has to be';

/** A GET as it comes in. */
function asked({ mode, topic, callback, lease, challenge = 'challenge' }: Intent): CallbackRequest {
  const parts = [`hub.mode=${mode}`, `hub.topic=${encodeURIComponent(topic)}`];
  if (mode === 'subscribe' || mode === 'unsubscribe') parts.push(`hub.challenge=${challenge}`);
  if (lease !== undefined) parts.push(`hub.lease_seconds=${lease}`);
  const target = `${new URL(callback).pathname}?${parts.join('&')}`;
  return { ...nothingOf<CallbackRequest>(), method: 'GET', target };
}

/** Stands for what a GET does not look at. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says of what
function nothingOf<T>(): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing of it is looked at
  return {} as T;
}

/** What a dead process would have gone on with. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}
