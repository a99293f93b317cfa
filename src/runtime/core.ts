import { subscriberHooks } from '../delivery/hook-payloads.js';
import { Closing } from '../engine/closing.js';
import type { EngineContext } from '../engine/engine-context.js';
import { hubClient } from '../hub/hub-client.js';
import { OriginRateLimits } from '../hub/pacing/origin-rate-limits.js';
import { OriginConcurrencyLimiter } from '../hub/pacing/origin-concurrency-limiter.js';
import { WithheldCredentials } from '../hub/redaction/withheld-credentials.js';
import { callbackApp, type CallbackApp } from '../http/app.js';
import type { CallbackContext } from '../http/callback-context.js';
import { InFlightBytes } from '../http/body/in-flight-bytes.js';
import { NoticeThrottle, RecentAnswers } from '../http/intent/recent-answers.js';
import { RejectionLog } from '../http/content/rejection-log.js';
import { UnknownCallbacks } from '../http/unknown-callbacks.js';
import { subscriptionRequests } from '../subscription/requests/subscription-requests.js';
import { Registry } from '../subscription/registry/registry.js';
import type { Subscription } from '../subscription/record/snapshot.js';
import { subscriptionSnapshot } from '../subscription/record/snapshot-of.js';
import { Effects } from './background/effects.js';
import { latch } from './lifecycle/latch.js';
import { EventPipeline } from './background/event-pipeline.js';
import type { CheckedSecurity } from './config/checks/security-checks.js';
import type { ScheduleOptions } from './config/start-options.js';
import { scheduleSweeps } from './background/sweeps.js';
import type { RuntimeContext } from './runtime-context.js';
import { ServiceTable, type ServiceInstance } from './services/service-table.js';
import { BackgroundTasks } from './background/background-tasks.js';
import { DesiredSubscriptions } from '../reconcile/desired-subscriptions.js';
import { noSubscription } from '../reconcile/subscription-error.js';

/** The outside world of a runtime. */
export type CoreSurroundings = Omit<EngineContext, 'closing'>;

/** Options of a runtime's core. */
export interface CoreOptions {
  readonly schedule: Required<ScheduleOptions>;
  readonly pruneDeclared: boolean;
  readonly security: CheckedSecurity;
  readonly basePath: string;
}

/** The parts of a runtime between its listener and its store. Start and stop are in `lifecycle`. */
export class Core {
  readonly context: RuntimeContext;
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
  /** Paths before a callback's token: `basePath` with and without the public URL's path, which a proxy may remove. */
  #basePaths: readonly string[];
  #reconciling = Promise.resolve();

  constructor(surroundings: CoreSurroundings, options: CoreOptions) {
    const { security, pruneDeclared, basePath } = options;
    const { maxBodyBytes, storeTimeoutMs } = security;
    const { now, random, logger, store, engine } = surroundings;
    const closing = new Closing();
    const hooks = subscriberHooks(logger);
    const services = new ServiceTable(security);
    const context = { now, random, logger, store, engine, closing, hooks, services, maxBodyBytes, storeTimeoutMs };
    this.context = context;
    this.#options = options;
    this.#basePaths = [basePath];
    this.backgroundTasks = new BackgroundTasks(logger);
    this.registry = new Registry(context);
    const { registry, backgroundTasks, requestsAllowed } = this;
    const rateLimits = new OriginRateLimits(context);
    const withheld = new WithheldCredentials(logger);
    const concurrencyLimiter = new OriginConcurrencyLimiter(security.hubConcurrency, closing.signal);
    this.pipeline = new EventPipeline(context, { registry, backgroundTasks, concurrencyLimiter, withheld });
    const { polling: topicSinks, topicCrashGuard } = this.pipeline;
    const client = hubClient(context, { rateLimits, withheld });
    const requests = subscriptionRequests(context, { client, registry, rateLimits, topicSinks });
    const effects = new Effects(context, {
      registry,
      requests,
      backgroundTasks,
      concurrencyLimiter,
      rateLimits,
      topicCrashGuard,
      requestsAllowed,
    });
    registry.onEffect((record, effect) => effects.carryOut(record, effect));
    this.subscriptions = new DesiredSubscriptions(context, registry, { pruneDeclared });
    this.app = callbackApp(callbackContext(context, registry, this.pipeline, security), () => this.#basePaths);
  }

  /** Registers the services, and loads their state from the store. */
  async load(instances: readonly ServiceInstance[], base: string): Promise<void> {
    const { basePath, schedule } = this.#options;
    const { processedLog, deadLetters } = this.pipeline;
    // Without a base path, the public URL's path would claim every path of a shared server.
    if (basePath !== '') this.#basePaths = [basePath, new URL(base).pathname];
    this.context.services.load(instances, base);
    await this.registry.load();
    await this.pipeline.load();
    scheduleSweeps(this.context, { registry: this.registry, processedLog, deadLetters }, schedule);
  }

  /** Creates a subscription for every declared target. Requests wanted subscriptions that are not in progress. */
  reconcile(): Promise<void> {
    const reconcile = async (): Promise<void> => {
      await this.subscriptions.reconcile(this.context.services.all().map(({ config }) => config));
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

  /** @throws WebSubError if there is no subscription with this id */
  snapshot(id: string): Subscription {
    const stored = this.registry.get(id);
    if (stored === undefined) throw noSubscription(id);
    return subscriptionSnapshot(stored.record, stored.counters.stats());
  }

  /** Sends no more subscribe requests. Unsubscribe requests are still sent. */
  stopSubscribing(): void {
    this.context.closing.begin();
    this.requestsAllowed.open();
  }
}

/** The parts that answer callback requests. */
function callbackContext(
  context: RuntimeContext,
  registry: Registry,
  { delivery, overloadRecovery }: EventPipeline,
  security: CheckedSecurity,
): CallbackContext {
  const { maxBodyBytes, bodyTimeoutMs } = security;
  return {
    ...context,
    registry,
    delivery,
    overloadRecovery,
    limits: { maxBodyBytes, bodyTimeoutMs, inFlight: new InFlightBytes(security) },
    rejections: new RejectionLog(context, registry),
    unknownCallbacks: new UnknownCallbacks(context),
    recentVerifications: new RecentAnswers(),
    recentNotices: new NoticeThrottle(),
  };
}
