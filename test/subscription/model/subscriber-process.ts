import { subscriberHooks } from '../../../src/delivery/hook-payloads.js';
import type { CallbackRequest } from '../../../src/http/callback-request.js';
import type { EventHandler, IntentHandlers } from '../../../src/delivery/handler/handlers.js';
import type { CallbackContext, CallbackService, RecentVerifications } from '../../../src/http/callback-context.js';
import { answerIntent } from '../../../src/http/intent/intent.js';
import { NoticeThrottle, RecentAnswers } from '../../../src/http/intent/recent-answers.js';
import { embeddedEngine, type EmbeddedEngine } from '../../../src/engine/embedded-engine.js';
import type { Engine } from '../../../src/engine/engine.js';
import { Effects } from '../../../src/runtime/background/effects.js';
import { Closing } from '../../../src/engine/closing.js';
import { servicesWith, testContext } from '../../kit/test-context.js';
import { OriginRateLimits } from '../../../src/hub/pacing/origin-rate-limits.js';
import { OriginConcurrencyLimiter } from '../../../src/hub/pacing/origin-concurrency-limiter.js';
import { latch } from '../../../src/runtime/lifecycle/latch.js';
import { BackgroundTasks } from '../../../src/runtime/background/background-tasks.js';
import { StoreError } from '../../../src/errors.js';
import type { Logger } from '../../../src/logger.js';
import type { RecordStore } from '../../../src/store/record-store.js';
import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { NamedEffect, TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { isHubRecovery } from '../../../src/subscription/machine/steps/on-hub-delivered.js';
import { failureOf } from '../../../src/subscription/record/failure.js';
import type { SubscriptionRequests } from '../../../src/subscription/requests/subscription-requests.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { Registry, type CallbackMatch } from '../../../src/subscription/registry/registry.js';
import { acceptedSecrets, latestSecret } from '../../../src/subscription/machine/rules/secrets.js';
import { isOver, isNeverRequested } from '../../../src/subscription/machine/state.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import type { HubAnswer, HubRequest, Intent } from './hub-model.js';

/** The result of discovery. Undefined if the publisher did not answer. */
export type Advertised = { readonly topic: string; readonly hubs: readonly string[] } | undefined;

/** The environment of a process: time, store, hubs, and its watch. */
export interface Environment {
  readonly store: RecordStore;
  readonly requestPolicy: RequestPolicy;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  /** Resolves when it is the turn of a request or discovery. */
  readonly waitForSlot: () => Promise<void>;
  /** Called with each effect, before it is carried out. */
  readonly onEffect: (effect: NamedEffect) => void;
  readonly discover: () => Promise<Advertised>;
  readonly request: (request: HubRequest, grant: GrantRecord, record: SubscriptionRecord) => Promise<HubAnswer>;
  /** Called when the result of a request is stored, with the grant before it. */
  readonly onOutcome: (answer: HubAnswer, mode: 'subscribe' | 'unsubscribe', grant: GrantRecord) => void;
  /** Whether the service's handler refuses a verification. */
  readonly refuses: (mode: 'subscribe' | 'unsubscribe') => boolean;
  /** Called when a handler of the service is called, with the grant at that time. */
  readonly onHandler: (call: Intent['mode'], grant: GrantRecord) => void;
  /** Called with the answer of a callback, and with the grant and the subscription before it. */
  readonly onAnswer: (intent: Intent, answer: CallbackResult, grant: GrantRecord, before: SubscriptionRecord) => void;
}

/** The result of a GET at a callback. */
export type CallbackResult = 'confirmed' | 'acknowledged' | 'refused by the handler' | 'unknown' | 'not now';

/** A process with a registry. When it dies, all work in flight stops. */
export class SubscriberProcess {
  readonly registry: Registry;
  /**
   * When each subscription next needs work, in the time of the process. For fetches, the key begins with the kind of
   * fetch.
   */
  readonly dueTimes = new Map<string, number>();
  /** Requests and discoveries in flight. */
  readonly inFlight = new Set<string>();
  readonly #closing = new Closing();
  isDead = false;
  readonly #engine: EmbeddedEngine;
  readonly #environment: Environment;
  readonly #callbacks: CallbackContext;
  readonly #service: CallbackService;
  /** Whether the result of a fetch is applied now. It draws no number, so that a life goes on as without fetches. */
  #isCaughtUp = false;
  /** Grants as they were at their last GET. */
  readonly #matched = new Map<string, GrantRecord>();

  constructor(environment: Environment) {
    this.#environment = environment;
    const { logger, now, random, store, requestPolicy } = environment;
    this.#engine = embeddedEngine({ now });
    const backgroundTasks = new BackgroundTasks(logger);
    const concurrencyLimiter = this.#concurrencyLimiter();
    const hooks = subscriberHooks(logger);
    const requestsAllowed = latch();
    requestsAllowed.open();
    const requests = this.#requests();
    const rateLimits = new OriginRateLimits({ now, random });
    const service = (): CallbackService => this.#service;
    const context = testContext({
      store,
      engine: this.#watched(this.#engine),
      logger,
      now,
      random: () => (this.#isCaughtUp ? 0.5 : random()),
      closing: this.#closing,
      hooks,
      services: servicesWith({ get: service, policyOf: () => requestPolicy }),
    });
    const registry = new Registry(context);
    this.registry = registry;
    // The model's topics end no process.
    const topicCrashGuard = { onRenewed: () => false };
    const parts = { requests, backgroundTasks, concurrencyLimiter, rateLimits, requestsAllowed, topicCrashGuard };
    const effects = new Effects(context, { ...parts, registry });
    registry.onEffect((record, effect) => {
      if (this.isDead) return;
      environment.onEffect(effect);
      effects.carryOut(record, effect);
    });
    registry.onDueFetch(({ id }) => this.#catchUp(id));
    const recentVerifications: RecentVerifications = new RecentAnswers();
    const recentNotices = new NoticeThrottle();
    const { services, ...shared } = context;
    this.#callbacks = {
      ...nothingOf<
        Pick<CallbackContext, 'delivery' | 'limits' | 'rejections' | 'overloadRecovery' | 'unknownCallbacks'>
      >(),
      ...shared,
      services: { ...services, get: service, leaving: nothingOf<CallbackService>() },
      registry,
      recentVerifications,
      recentNotices,
    };
    this.#service = {
      ...nothingOf<CallbackService>(),
      name: 'News',
      redactedValues: [],
      handlers: { ...nothingOf<EventHandler>(), ...this.#handlers() },
      delivery: { ...nothingOf<CallbackService['delivery']>(), ackAfterMs: 5_000 },
    };
  }

  /** Applies an input. Never resolves if the process died meanwhile. */
  async apply(id: string, input: TransitionInput): Promise<SubscriptionRecord> {
    if (!this.isDead) {
      try {
        const record = await this.registry.apply(id, input);
        if (!this.isDead) return record;
      } catch (error) {
        if (!this.isDead) throw error;
      }
    }
    return never();
  }

  get isStopping(): boolean {
    return this.#closing.isStopping;
  }

  /** A stop begins: nothing new starts. */
  beginStop(): void {
    this.#closing.begin();
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
    const result = await this.#resultOf(intent, match);
    if (this.isDead) return never();
    this.#environment.onAnswer(intent, result, match.grant, record);
    return result === 'confirmed';
  }

  async #resultOf(intent: Intent, match: CallbackMatch): Promise<CallbackResult> {
    const { mode } = intent;
    try {
      const { status, body, onSent } = await answerIntent(
        this.#callbacks,
        { ...match, service: this.#service },
        requestOf(intent),
      );
      if (this.isDead) return await never<CallbackResult>();
      if (status === 200) {
        onSent?.();
        return mode === 'subscribe' || mode === 'unsubscribe' ? 'confirmed' : 'acknowledged';
      }
      return body === REFUSED ? 'refused by the handler' : 'unknown';
    } catch (error) {
      // Any other error would also be answered 503, but is a bug of the model or of the code under test.
      if (!(error instanceof StoreError)) throw error;
      return 'not now';
    }
  }

  /** Answers content that is signed with a secret, or unsigned if that is null, and applies the inputs that follow. */
  content(callback: string, secret: string | null): number {
    const match = this.isDead ? undefined : this.registry.match(callbackKey(callback));
    const status = contentStatus(match, secret, this.#environment.now());
    if (match === undefined || (status !== 202 && status !== 403)) return status;
    const { stored, grant } = match;
    const { id } = stored.record;
    const isSigned = secret !== null;
    if (status === 202 && isHubRecovery(grant, isSigned)) {
      this.#inBackground(id, { type: 'hub-delivered', grantId: grant.id, isSigned });
    }
    // At most one rejection a minute is stored.
    if (status === 403 && this.#callbacks.recentNotices.claim(stored, 'rejected', this.#environment.now())) {
      const failure = failureOf(new Error(UNSIGNED), 'unsigned', this.#environment.now());
      this.#inBackground(id, { type: 'content-rejected', failure });
    }
    return status;
  }

  /** Fetches the topic at its turn, which always succeeds. The result may not be stored. The model polls no topic. */
  async #catchUp(id: string): Promise<undefined> {
    const record = this.registry.get(id)?.record;
    if (this.isDead || record?.catchUp === undefined) return;
    const beganAt = this.#environment.now();
    const { id: gapId } = record.catchUp;
    await this.#tracked(`catch-up ${id}`, async () => {
      await this.#environment.waitForSlot();
      const fetched = { topic: record.topic ?? '' };
      this.#isCaughtUp = true;
      const applied = this.apply(id, { type: 'caught-up', gapId, beganAt, fetched });
      this.#isCaughtUp = false;
      await applied.catch(() => undefined);
    });
  }

  #inBackground(id: string, input: TransitionInput): void {
    // If it cannot be stored, it comes again with the next content.
    this.apply(id, input).catch(() => undefined);
  }

  #handlers(): IntentHandlers {
    const called = (mode: Intent['mode'], { id }: { readonly id: string }): void => {
      const grant = this.#matched.get(id);
      if (grant !== undefined && !this.isDead) this.#environment.onHandler(mode, grant);
    };
    const verify = (mode: 'subscribe' | 'unsubscribe', grant: { readonly id: string }): void => {
      called(mode, grant);
      if (this.#environment.refuses(mode)) throw new Error(REASON);
    };
    return {
      onSubscriptionVerification: ({ grant }) => verify('subscribe', grant),
      onUnsubscriptionVerification: ({ grant }) => verify('unsubscribe', grant),
      onSubscriptionValidationDenied: ({ grant }) => called('denied', grant),
      onHubError: ({ grant }) => called('hub-error', grant),
    };
  }

  #requests(): SubscriptionRequests {
    const { discover, now, onOutcome, request } = this.#environment;
    return {
      discover: ({ id, currentDiscovery: discoveryId }) =>
        this.#tracked('discovery', async () => {
          if (discoveryId === undefined) return;
          const found = await discover();
          const failure = failureOf(new Error('the publisher did not answer'), 'discovery', now());
          await this.apply(
            id,
            found ? { type: 'discovered', discoveryId, ...found } : { type: 'discovery-failed', discoveryId, failure },
          );
        }),
      wouldDefer: () => false,
      request: (record, grantId, mode, { rules }) =>
        this.#tracked(`${mode} ${grantId}`, async () => {
          const grant = record.grants.find((each) => each.id === grantId);
          const requestId = grant?.currentRequest;
          if (grant === undefined || requestId === undefined) return;
          if ((grant.state === 'unsubscribing') !== (mode === 'unsubscribe')) return;
          const { id } = record;
          const secret = mode === 'subscribe' ? this.#secretFor(record, grant) : undefined;
          const requestedRecord = await this.apply(id, { type: 'requested', grantId, requestId, mode, secret });
          const sentGrant = requestedRecord.grants.find((each) => each.id === grantId);
          if (sentGrant?.pending?.id !== requestId) return;
          const { hub: url, topic, callback } = sentGrant;
          const answer = await request(
            { url, mode, topic, callback, secret: secret ?? null },
            sentGrant,
            requestedRecord,
          );
          const ids = { grantId, requestId };
          // A grant that was removed meanwhile does not matter.
          const currentGrant = this.registry.get(id)?.record.grants.find((each) => each.id === grantId);
          if (answer.type === 'accepted') {
            await this.apply(id, { ...ids, ...answer });
          } else {
            const cause = answer.type === 'refused' ? 'refused' : 'unreachable';
            const failure = failureOf(new Error(`the hub at ${url} was asked for ${rules.hubs}`), cause, now());
            await this.apply(id, { ...ids, ...answer, failure });
          }
          if (currentGrant?.pending?.id === requestId) onOutcome(answer, mode, currentGrant);
        }),
    };
  }

  #concurrencyLimiter(): OriginConcurrencyLimiter {
    const limiter = new OriginConcurrencyLimiter(8, new AbortController().signal);
    const run = limiter.run.bind(limiter);
    limiter.run = async (url, work) => {
      await this.#environment.waitForSlot();
      await run(url, work);
    };
    return limiter;
  }

  #secretFor({ overrides }: SubscriptionRecord, { secrets, freshSecret }: GrantRecord): string | null {
    const secret = overrides?.secret;
    if (secret === false) return null;
    const known = freshSecret === true ? undefined : latestSecret(secrets);
    return secret ?? known ?? `secret-${this.#environment.newId()}`;
  }

  async #tracked(what: string, work: () => Promise<void>): Promise<void> {
    this.inFlight.add(what);
    try {
      await work();
    } finally {
      this.inFlight.delete(what);
    }
  }

  #watched(engine: Engine): Engine {
    return {
      ...engine,
      timetable: (name, run) => {
        const nameOf = (key: string): string => (name === 'subscriptions' ? key : `${name} ${key}`);
        const table = engine.timetable(name, (key) => {
          this.dueTimes.delete(nameOf(key));
          return run(key);
        });
        return {
          get size() {
            return table.size;
          },
          set: (key, at) => {
            if (at === undefined) this.dueTimes.delete(nameOf(key));
            else this.dueTimes.set(nameOf(key), at);
            table.set(key, at);
          },
          has: (key) => table.has(key),
          bringForwardTo: (at) => {
            for (const [key, each] of this.dueTimes) if (table.has(key) && each > at) this.dueTimes.set(key, at);
            table.bringForwardTo(at);
          },
        };
      },
    };
  }
}

/** The status that content is answered with, as in `http/distribution`. */
export function contentStatus(match: CallbackMatch | undefined, secret: string | null, now: number): number {
  if (match === undefined) return 404;
  const { stored, grant } = match;
  const { stoppedBecause } = stored.record;
  if (isNeverRequested(grant) || (stoppedBecause === 'handler-refused' && grant.verifiedAt === undefined)) return 404;
  if (isOver(grant) || stoppedBecause === 'deleted') return 410;
  const { values, unsigned } = acceptedSecrets(grant.secrets, now);
  return unsigned || (secret !== null && values.includes(secret)) ? 202 : 403;
}

const REASON = 'the handler refused';
const REFUSED = new URLSearchParams({ reason: REASON }).toString();

const UNSIGNED = 'the signature is missing or wrong';

/** An incoming GET. */
function requestOf({ mode, topic, callback, lease, challenge = 'challenge' }: Intent): CallbackRequest {
  const parts = [`hub.mode=${mode}`, `hub.topic=${encodeURIComponent(topic)}`];
  if (mode === 'subscribe' || mode === 'unsubscribe') parts.push(`hub.challenge=${challenge}`);
  if (lease !== undefined) parts.push(`hub.lease_seconds=${lease}`);
  const target = `${new URL(callback).pathname}?${parts.join('&')}`;
  return { ...nothingOf<CallbackRequest>(), method: 'GET', target };
}

/** Stands for parts that a GET does not use. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the type
function nothingOf<T>(): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing reads it
  return {} as T;
}

/** A promise that never resolves, like the work of a dead process. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}
