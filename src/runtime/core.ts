import { setMaxListeners } from 'node:events';
import { type SubscriberHooks, subscriberHooks } from '../delivery/hook-payloads.js';
import type { Engine } from '../engine/engine.js';
import { hubClient } from '../hub/hub-client.js';
import { OriginRateLimits } from '../hub/pacing/origin-rate-limits.js';
import { OriginConcurrencyLimiter } from '../hub/pacing/origin-concurrency-limiter.js';
import { configuredSecrets } from '../hub/request/request-headers.js';
import { WithheldCredentials } from '../hub/redaction/withheld-credentials.js';
import { callbackApp, type CallbackApp } from '../http/app.js';
import type { CallbackService } from '../http/callback-context.js';
import { InFlightBytes } from '../http/body/in-flight-bytes.js';
import { NoticeThrottle, RecentAnswers } from '../http/intent/recent-answers.js';
import { RejectionLog } from '../http/content/rejection-log.js';
import { UnknownCallbacks } from '../http/unknown-callbacks.js';
import type { Logger } from '../logger.js';
import type { RecordStore } from '../store/record-store.js';
import { subscriptionRequests } from '../subscription/requests/subscription-requests.js';
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
import { LEAVING_CONFIG, leavingService } from './services/leaving-service.js';
import { requestPolicyOf as requestPolicyFor } from './services/request-policy-of.js';
import type { SubscriberHandlers } from './subscriber-runtime.js';
import { BackgroundTasks } from './background/background-tasks.js';
import { DesiredSubscriptions } from '../reconcile/desired-subscriptions.js';
import { noSubscription } from '../reconcile/subscription-error.js';

/** A service with its valid configuration and its handlers. */
export interface RunningService {
  readonly config: CheckedServiceConfig;
  readonly handlers: SubscriberHandlers;
}

/** Dependencies and options of a runtime's core. */
export interface CoreOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly schedule: Required<ScheduleOptions>;
  readonly pruneDeclared: boolean;
  readonly security: CheckedSecurity;
  readonly basePath: string;
}

/** The parts of a runtime between its listener and its store. Start and stop are in `lifecycle`. */
export class Core {
  readonly hooks: SubscriberHooks;
  readonly registry: Registry;
  readonly pipeline: EventPipeline;
  readonly app: CallbackApp;
  readonly subscriptions: DesiredSubscriptions;
  /** Network requests that run or wait, by subscription or grant and purpose. */
  readonly backgroundTasks: BackgroundTasks;
  /** Opens once the declared subscriptions exist and their requests have started. */
  readonly reconciled = latch();
  /** Opens once requests to hubs may leave, and at a stop. */
  readonly requestsAllowed = latch();
  readonly #options: CoreOptions;
  readonly #abort = new AbortController();
  readonly #services = new Map<string, RunningService & { readonly callback: CallbackService }>();
  readonly #requestPolicies = new Map<string, RequestPolicy>();
  /** Paths before a callback's token: `basePath` with and without the public URL's path, which a proxy may remove. */
  #basePaths: readonly string[];
  #base = '';
  #leavingPolicy: RequestPolicy | undefined;
  #reconciling = Promise.resolve();
  #isStopping = false;
  #areCallbacksClosed = false;

  constructor(options: CoreOptions) {
    const { store, engine, logger, now, random } = options;
    this.#options = options;
    this.#basePaths = [options.basePath];
    this.hooks = subscriberHooks(logger);
    this.backgroundTasks = new BackgroundTasks(logger);
    const rateLimits = new OriginRateLimits({ now, random });
    const withheld = new WithheldCredentials(logger);
    const { signal } = this.#abort;
    const requests = subscriptionRequests({
      client: hubClient({ logger, now, rateLimits, withheld, signal }),
      update: (id, input) => this.registry.update(id, input),
      logger,
      now,
      rateLimits,
      contentSinkOf: (record) => this.pipeline.contentSinkOf(record),
      signal,
    });
    const requestPolicyOf = (service: string): RequestPolicy | undefined => this.#requestPolicies.get(service);
    const concurrencyLimiter = new OriginConcurrencyLimiter(options.security.hubConcurrency, signal);
    const effects: Omit<EffectOptions, 'pipeline'> = {
      requests,
      backgroundTasks: this.backgroundTasks,
      concurrencyLimiter,
      rateLimits,
      hooks: this.hooks,
      logger,
      now,
      policyOf: (record) => this.registry.policyOf(record),
      subscriptionOf: (id) => this.registry.get(id),
      isStopping: () => this.#isStopping,
      requestsAllowed: this.requestsAllowed,
    };
    const serviceOf = (name: string): CallbackService | undefined => this.#services.get(name)?.callback;
    this.registry = new Registry({
      store,
      engine,
      logger,
      now,
      random,
      requestPolicyOf,
      leavingPolicy: () => (this.#leavingPolicy ??= requestPolicyFor(LEAVING_CONFIG, options.security, this.#base)),
      perform: (record, effect) => performEffect({ ...effects, pipeline: this.pipeline }, record, effect),
    });
    this.subscriptions = new DesiredSubscriptions({
      registry: this.registry,
      engine,
      logger,
      configOf: (name) => this.#services.get(name)?.config,
      checkTarget: (name, target) => {
        const { pollSeconds = 0 } = this.#services.get(name)?.config.delivery ?? {};
        refuseUnpollable([target], pollSeconds, `subscribe() for service "${name}"`);
      },
      pruneDeclared: options.pruneDeclared,
      isStopping: effects.isStopping,
    });
    this.pipeline = new EventPipeline({
      ...options,
      ...effects,
      requestPolicyOf,
      registry: this.registry,
      withheld,
      maxBodyBytes: options.security.maxBodyBytes,
      storeTimeoutMs: options.security.storeTimeoutMs,
      signal,
      serviceOf,
      services: () => [...this.#services.keys()],
    });
    // Every request to a hub adds a listener, and there may be many.
    setMaxListeners(0, signal);
    const { maxBodyBytes, bodyTimeoutMs } = options.security;
    const limits = { maxBodyBytes, bodyTimeoutMs, inFlight: new InFlightBytes(options.security) };
    const { registry, hooks } = this;
    const { delivery, overloadRecovery } = this.pipeline;
    const rejections = new RejectionLog({ registry, hooks, logger, now });
    const areCallbacksClosed = (): boolean => this.#areCallbacksClosed;
    this.app = callbackApp(
      {
        registry,
        delivery,
        hooks,
        logger,
        limits,
        rejections,
        overloadRecovery,
        unknownCallbacks: new UnknownCallbacks(logger, now),
        now,
        serviceOf,
        leavingService,
        storeFailure: store.failure,
        areCallbacksClosed,
        recentVerifications: new RecentAnswers(),
        recentNotices: new NoticeThrottle(),
      },
      () => this.#basePaths,
    );
  }

  /** Registers the services, and loads their state from the store. */
  async load(services: readonly RunningService[], base: string): Promise<void> {
    this.#base = base;
    const { basePath } = this.#options;
    // Without a base path, the public URL's path would claim every path of a shared server.
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
        // Not cached: bearer tokens may change with each request.
        get redactedValues() {
          return [...configuredSecrets(config), ...configuredSecrets({ httpConfig })];
        },
      };
      this.#services.set(name, { ...service, callback });
      this.#requestPolicies.set(name, requestPolicyFor(config, this.#options.security, base));
    }
    await this.registry.load();
    await this.pipeline.load();
    const windows = services.map(({ config }) => config.delivery.dedupeWindowSeconds * 1000);
    scheduleSweeps({
      ...this.#options,
      registry: this.registry,
      processedLog: this.pipeline.processedLog,
      deadLetters: this.pipeline.deadLetters,
      longestWindowMs: Math.max(0, ...windows),
      isStopping: () => this.#isStopping,
    });
  }

  /** Creates a subscription for every declared target. Requests wanted subscriptions that are not in progress. */
  reconcile(): Promise<void> {
    const reconcile = async (): Promise<void> => {
      await this.subscriptions.reconcile(this.services.map(({ config }) => config));
      this.reconciled.open();
    };
    const reconciled = reconcile();
    this.#reconciling = reconciled.catch(() => {});
    return reconciled;
  }

  /** Resolves when the latest `reconcile()` has ended. Never rejects. */
  get reconciling(): Promise<void> {
    return this.#reconciling;
  }

  /** Whether this runtime has the service. */
  serves(service: string): boolean {
    return this.#services.has(service);
  }

  get services(): readonly RunningService[] {
    return [...this.#services.values()];
  }

  /** @throws WebSubError if there is no subscription with this id */
  snapshot(id: string): Subscription {
    const stored = this.registry.get(id);
    if (stored === undefined) throw noSubscription(id);
    return subscriptionSnapshot(stored.record, stored.counters.stats());
  }

  /** Sends no more subscribe requests. Unsubscribe requests are still sent. */
  stopSubscribing(): void {
    this.#isStopping = true;
    this.requestsAllowed.open();
  }

  /** Answers further requests on known callbacks with 503, and calls no handler for them. */
  closeCallbacks(): void {
    this.#areCallbacksClosed = true;
  }

  /** Aborts all network requests. */
  abort(): void {
    this.#abort.abort();
  }
}
