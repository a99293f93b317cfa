import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SubscriberHooks } from '../delivery/hook-payloads.js';
import { callHandler } from '../delivery/handler/handlers.js';
import { ConfigurationError } from '../errors.js';
import type { Listener } from '../http/listen/listener.js';
import { stateOf } from '../subscription/machine/state.js';
import { INSPECT, viewNamed } from '../subscription/record/log-view.js';
import type { Subscription, SubscriptionState } from '../subscription/record/snapshot.js';
import { FirstRequestsTrigger } from './lifecycle/first-requests-trigger.js';
import { readyTooEarlyError, stoppingError } from './lifecycle/lifecycle-error.js';
import { timeLimit } from './lifecycle/wait-limits.js';
import type { Core } from './core.js';
import { definitionOf } from './services/definition.js';
import type { HostServer } from './lifecycle/host-server.js';
import type { ReachabilityHint } from './lifecycle/reachability-hint.js';
import { whenReady } from './lifecycle/readiness.js';
import { LAST_STEP_MS, shutDown } from './lifecycle/shutdown.js';
import { checkSubscribeOptions, checkUnsubscribeTarget } from './config/subscribe-options.js';
import { subscriptionList } from './subscription-list.js';
import type {
  DeadLetterList,
  ServiceReference,
  StopOptions,
  SubscribeOptions,
  SubscriberHandlers,
  SubscriberRuntime,
  Subscriptions,
} from './subscriber-runtime.js';

const READY_TIMEOUT_MS = 60_000;

/** Milliseconds of a stop reserved for shutdown listeners, but at most a quarter. Hubs and handlers get the rest. */
const SHUTDOWN_LISTENERS_MS = 2_000;

/** The parts of a runtime, and what the start has found out. */
export interface RuntimeParts {
  readonly core: Core;
  readonly url: string;
  readonly port: number | undefined;
  readonly graceSeconds: number;
  readonly listener: Listener | undefined;
  readonly hostServer: HostServer | undefined;
  readonly reachability: ReachabilityHint;
  /** Functions that close what was opened, in the order of opening. */
  readonly cleanups: readonly (() => unknown)[];
}

/** The public methods of a runtime. */
export class Runtime implements SubscriberRuntime {
  readonly url: string;
  readonly port: number | undefined;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly nodeHandler: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;
  readonly subscriptions: Subscriptions;
  readonly deadLetters: DeadLetterList;
  readonly hooks: Pick<SubscriberHooks, 'on'>;
  readonly firstRequests = new FirstRequestsTrigger();
  readonly #parts: RuntimeParts;
  readonly #startedHandlers: SubscriberHandlers[] = [];
  readonly #shutdownListeners: (() => unknown)[] = [];
  readonly #stopListeners: (() => void)[] = [];
  readonly #stopController = new AbortController();
  #stopping: Promise<void> | undefined;
  #shortenLimits = (): void => {};
  #ownsStore = true;
  #isStartingServices = false;

  constructor(parts: RuntimeParts) {
    const { core, url, port } = parts;
    this.#parts = parts;
    this.url = url;
    this.port = port;
    this.fetch = core.app.fetch;
    this.nodeHandler = core.app.nodeHandler;
    this.subscriptions = subscriptionList(core.registry);
    this.deadLetters = {
      replay: async (id) => {
        this.#refuseWhenStopping();
        await core.pipeline.deadLetters.replay(id);
      },
      discard: async (id) => {
        this.#refuseWhenStopping();
        await core.pipeline.deadLetters.discard(id);
      },
      [Symbol.asyncIterator]: () => core.pipeline.deadLetters.list(),
    };
    this.hooks = { on: (name, listener) => core.context.hooks.on(name, listener) };
  }

  /** Whether the runtime is stopping or has stopped. */
  get isStopping(): boolean {
    return this.#stopController.signal.aborted;
  }

  /** Calls `onStart` of the services. A stop calls `onShutdown` of those that started, even if another one fails. */
  async startServices(): Promise<void> {
    this.#isStartingServices = true;
    try {
      for (const { handlers } of this.#parts.core.context.services.all()) {
        await callHandler(handlers, 'onStart', this);
        this.#startedHandlers.push(handlers);
      }
    } finally {
      this.#isStartingServices = false;
    }
  }

  /** Adds a listener for the start of a stop. Calls it at once if a stop has started already. */
  onStop(listener: () => void): void {
    if (this.isStopping) listener();
    else this.#stopListeners.push(listener);
  }

  /** Stops at once without writing to the store, which another process now owns. */
  stopWithoutStore(): void {
    this.#ownsStore = false;
    void this.stopNow();
  }

  async begin(): Promise<void> {
    this.#refuseWhenStopping();
    await this.firstRequests.begin();
  }

  async ready({ timeoutMs = READY_TIMEOUT_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.#isStartingServices) throw readyTooEarlyError();
    const { core, reachability } = this.#parts;
    await whenReady({ core, stopSignal: this.#stopController.signal, reachability }, timeoutMs);
  }

  async subscribe(service: ServiceReference, options: SubscribeOptions): Promise<Subscription> {
    const { name, config } = definitionOf(service);
    const checked = checkSubscribeOptions(config, options);
    this.#refuseWhenStopping();
    const { core } = this.#parts;
    return core.snapshot(await core.subscriptions.subscribe(name, checked));
  }

  async unsubscribe(
    idOrService: string | ServiceReference,
    target?: SubscribeOptions['target'],
  ): Promise<Subscription> {
    const { core } = this.#parts;
    if (typeof idOrService === 'string') {
      if (target !== undefined) {
        throw new ConfigurationError(
          'unsubscribe() takes a subscription id, or a service and a target. Pass the service, not its name.',
        );
      }
      this.#refuseWhenStopping();
      await core.subscriptions.unsubscribe(idOrService);
      return core.snapshot(idOrService);
    }
    const { name } = definitionOf(idOrService);
    const checked = checkUnsubscribeTarget(name, target);
    this.#refuseWhenStopping();
    return core.snapshot(await core.subscriptions.unsubscribeFrom(name, checked));
  }

  async retry(id?: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#parts.core.subscriptions.retry(id);
  }

  async renew(id: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#parts.core.subscriptions.renew(id);
  }

  async rotateSecret(id: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#parts.core.subscriptions.rotate(id, 'secret');
  }

  async rotateCallback(id: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#parts.core.subscriptions.rotate(id, 'callback');
  }

  async resetCounters(id?: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#parts.core.subscriptions.resetCounters(id);
  }

  onShutdown(listener: () => unknown): void {
    this.#shutdownListeners.push(listener);
  }

  stop(options: StopOptions = {}): Promise<void> {
    return (this.#stopping ??= this.#shutDown(options, this.#parts.graceSeconds * 1000));
  }

  stopNow(): Promise<void> {
    this.#stopping ??= this.#shutDown({ unsubscribe: false }, SHUTDOWN_LISTENERS_MS);
    this.#shortenLimits();
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The view in `console.log(runtime)`: the addresses, and the numbers of subscriptions and dead letters. */
  [INSPECT](): object {
    const { context, registry, pipeline } = this.#parts.core;
    const { url, port, isStopping } = this;
    const subscriptions: Partial<Record<SubscriptionState, number>> = {};
    for (const { record } of registry.all()) {
      const state = stateOf(record);
      subscriptions[state] = (subscriptions[state] ?? 0) + 1;
    }
    return viewNamed('SubscriberRuntime', {
      url,
      port,
      services: context.services.names,
      subscriptions,
      deadLetters: pipeline.deadLetters.count,
      ...(isStopping ? { isStopping } : {}),
    });
  }

  #shutDown(options: StopOptions, graceMs: number): Promise<void> {
    const gracePeriod = timeLimit(graceMs - Math.min(SHUTDOWN_LISTENERS_MS, graceMs / 4));
    const listenersLimit = timeLimit(graceMs);
    const finalStepsLimit = timeLimit(graceMs + LAST_STEP_MS);
    this.#shortenLimits = () => {
      gracePeriod.end();
      listenersLimit.end(SHUTDOWN_LISTENERS_MS);
      finalStepsLimit.end(SHUTDOWN_LISTENERS_MS + LAST_STEP_MS);
    };
    for (const listener of this.#stopListeners) listener();
    this.#stopController.abort();
    const shutdownListeners = (): readonly (() => unknown)[] => [
      ...this.#startedHandlers.map((handlers) => () => callHandler(handlers, 'onShutdown', this)),
      ...this.#shutdownListeners,
    ];
    const ownsStore = (): boolean => this.#ownsStore;
    return shutDown(
      { ...this.#parts, ownsStore, shutdownListeners, gracePeriod, listenersLimit, finalStepsLimit },
      options,
    );
  }

  #refuseWhenStopping(): void {
    if (this.isStopping) throw stoppingError();
  }
}
