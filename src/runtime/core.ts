import { setMaxListeners } from 'node:events';
import { type SubscriberHooks, subscriberHooks } from '../delivery/hook-payloads.js';
import type { Engine } from '../engine/engine.js';
import { WebSubError } from '../errors.js';
import { OriginRateLimits } from '../hub/pacing/origin-rate-limits.js';
import { OriginLimiter } from '../hub/pacing/origin-limiter.js';
import { configuredSecrets } from '../hub/request/request-headers.js';
import { WithheldCredentials } from '../hub/redaction/withheld-credentials.js';
import { callbackApp, type CallbackApp } from '../http/app.js';
import type { CallbackService } from '../http/callback-context.js';
import { InFlightBytes } from '../http/body/in-flight-bytes.js';
import { NoticeThrottle, RecentAnswers } from '../http/intent/recent-answers.js';
import { Rejections } from '../http/content/rejections.js';
import { UnknownCallbacks } from '../http/unknown-callbacks.js';
import type { Logger } from '../logger.js';
import type { RecordStore } from '../store/record-store.js';
import { hubClient } from '../subscription/requests/hub-client.js';
import { Registry } from '../subscription/registry/registry.js';
import type { Subscription } from '../subscription/record/snapshot.js';
import { subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import type { RequestPolicy } from '../subscription/request-policy.js';
import { performEffect, type EffectOptions } from './background/effects.js';
import { refuseUnpollable } from './config/checks/target-checks.js';
import { latch } from './lifecycle/latch.js';
import { EventPipeline } from './background/event-pipeline.js';
import type { CheckedServiceConfig } from './config/service-config.js';
import type { CheckedSecurity } from './config/checks/security-checks.js';
import type { ScheduleOptions } from './config/start-options.js';
import { scheduleSweeps } from './background/sweeps.js';
import { requestPolicyOf } from './services/request-policy-of.js';
import type { SubscriberHandlers } from './subscriber-runtime.js';
import { BackgroundTasks } from './background/background-tasks.js';
import { DesiredSubscriptions } from '../reconcile/wanted-subscriptions.js';

/** A service whose configuration was checked and whose handlers exist. */
export interface RunningService {
  readonly config: CheckedServiceConfig;
  readonly handlers: SubscriberHandlers;
}

/** What the parts of a runtime are made of. */
export interface CoreOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  readonly schedule: Required<ScheduleOptions>;
  readonly pruneDeclared: boolean;
  readonly security: CheckedSecurity;
  readonly basePath: string;
}

/** The inside of a runtime: everything but its listener and its beginning and end. */
export class Core {
  readonly hooks: SubscriberHooks;
  readonly registry: Registry;
  readonly pipeline: EventPipeline;
  readonly app: CallbackApp;
  readonly subscriptions: DesiredSubscriptions;
  /** What is being asked on the network, or waits for its turn, by subscription and purpose. */
  readonly backgroundTasks: BackgroundTasks;
  /** Open when the declared subscriptions exist and are being asked for. */
  readonly reconciled = latch();
  /** Open when hubs may be asked, and at a stop. */
  readonly requestsAllowed = latch();
  readonly #options: CoreOptions;
  readonly #abort = new AbortController();
  readonly #services = new Map<string, RunningService & { readonly callback: CallbackService }>();
  readonly #requestPolicies = new Map<string, RequestPolicy>();
  /** What callbacks are expected under: as we see it, and as hubs do where no proxy takes the difference off. */
  #basePaths: readonly string[];
  #reconciling = Promise.resolve();
  #isClosing = false;
  #isClosed = false;

  constructor(options: CoreOptions) {
    const { store, engine, logger, now, random } = options;
    this.#options = options;
    this.#basePaths = [options.basePath];
    this.hooks = subscriberHooks(logger);
    this.backgroundTasks = new BackgroundTasks(logger);
    const rateLimits = new OriginRateLimits({ now, random });
    const withheld = new WithheldCredentials(logger);
    const client = hubClient({
      apply: (id, event) => this.registry.apply(id, event),
      logger,
      now,
      rateLimits,
      withheld,
      keeperOf: (record) => this.pipeline.keeperOf(record),
      signal: this.#abort.signal,
    });
    const pacing = new OriginLimiter(options.security.hubConcurrency, this.#abort.signal);
    const effects: Omit<EffectOptions, 'pipeline'> = {
      client,
      backgroundTasks: this.backgroundTasks,
      pacing,
      rateLimits,
      hooks: this.hooks,
      logger,
      now,
      requestPolicyOf: (service) => this.#requestPolicies.get(service),
      subscriptionOf: (id) => this.registry.get(id),
      isClosing: () => this.#isClosing,
      requestsAllowed: this.requestsAllowed,
    };
    const serviceOf = (name: string): CallbackService | undefined => this.#services.get(name)?.callback;
    this.registry = new Registry({
      store,
      engine,
      logger,
      now,
      random,
      requestPolicyOf: effects.requestPolicyOf,
      perform: (record, effect) => performEffect({ ...effects, pipeline: this.pipeline }, record, effect),
    });
    this.subscriptions = new DesiredSubscriptions({
      registry: this.registry,
      engine,
      logger,
      now,
      configOf: (name) => this.#services.get(name)?.config,
      checkTarget: (name, target) => {
        const { pollSeconds = 0 } = this.#services.get(name)?.config.delivery ?? {};
        refuseUnpollable([target], pollSeconds, `subscribe() for service "${name}"`);
      },
      pruneDeclared: options.pruneDeclared,
      isClosing: effects.isClosing,
    });
    this.pipeline = new EventPipeline({
      ...options,
      ...effects,
      registry: this.registry,
      withheld,
      maxBodyBytes: options.security.maxBodyBytes,
      storeTimeoutMs: options.security.storeTimeoutMs,
      signal: this.#abort.signal,
      targetOf: serviceOf,
      services: () => [...this.#services.keys()],
    });
    // Every request to a hub listens to it, and there may be many.
    setMaxListeners(0, this.#abort.signal);
    const { maxBodyBytes, bodyTimeoutMs } = options.security;
    const limits = { maxBodyBytes, bodyTimeoutMs, inFlight: new InFlightBytes(options.security) };
    const { registry, hooks } = this;
    const { delivery, refusedContent } = this.pipeline;
    const rejections = new Rejections({ registry, hooks, logger, now });
    const isClosed = (): boolean => this.#isClosed;
    this.app = callbackApp(
      {
        registry,
        delivery,
        hooks,
        logger,
        limits,
        rejections,
        refusedContent,
        unknownCallbacks: new UnknownCallbacks(logger, now),
        now,
        serviceOf,
        storeFailure: store.failure,
        isClosed,
        recentVerifications: new RecentAnswers(),
        recentNotices: new NoticeThrottle(),
      },
      () => this.#basePaths,
    );
  }

  /** Takes the services in, and reads what the store has of them. */
  async load(services: readonly RunningService[], base: string): Promise<void> {
    const { basePath } = this.#options;
    // Without a base path all that is below the public URL would be ours, and nothing be left for whoever shares the server.
    if (basePath !== '') this.#basePaths = [basePath, new URL(base).pathname];
    for (const service of services) {
      const { config, handlers } = service;
      const { name, delivery, signature } = config;
      const { httpConfig = {} } = config.discoveryConfig;
      const callback = {
        name,
        handlers,
        delivery,
        signature,
        // Bearer tokens may change at each request.
        get redactedValues() {
          return [...configuredSecrets(config), ...configuredSecrets({ httpConfig })];
        },
      };
      this.#services.set(name, { ...service, callback });
      this.#requestPolicies.set(name, requestPolicyOf(config, this.#options.security, base));
    }
    await this.registry.load();
    await this.subscriptions.load();
    await this.pipeline.load();
    const windows = services.map(({ config }) => config.delivery.dedupeWindowSeconds * 1000);
    scheduleSweeps({
      ...this.#options,
      registry: this.registry,
      processedLog: this.pipeline.processedLog,
      deadLetters: this.pipeline.deadLetters,
      longestWindowMs: Math.max(0, ...windows),
      isClosing: () => this.#isClosing,
    });
  }

  /** Every declared target gets its subscription, and every subscription that is wanted is asked for. */
  reconcile(): Promise<void> {
    const reconcile = async (): Promise<void> => {
      await this.subscriptions.reconcile(this.services.map(({ config }) => config));
      this.reconciled.open();
    };
    const reconciled = reconcile();
    this.#reconciling = reconciled.catch(() => {});
    return reconciled;
  }

  /** Resolves when no declaration is under way. */
  get reconciling(): Promise<void> {
    return this.#reconciling;
  }

  serves(service: string): boolean {
    return this.#services.has(service);
  }

  get services(): readonly RunningService[] {
    return [...this.#services.values()];
  }

  /** What users see of a subscription. */
  snapshot(id: string): Subscription {
    const entry = this.registry.get(id);
    if (entry === undefined) throw new WebSubError(`There is no subscription ${id}`);
    return subscriptionSnapshot(entry.record, entry.counters.stats());
  }

  /** From now on nothing is subscribed any more; unsubscribing goes on. */
  close(): void {
    this.#isClosing = true;
    this.requestsAllowed.open();
  }

  /** From now on hubs that come are told to come again, and no handler is called for them. */
  closeCallbacks(): void {
    this.#isClosed = true;
  }

  /** Gives up what is being asked on the network. */
  abort(): void {
    this.#abort.abort();
  }
}
