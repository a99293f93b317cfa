import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SubscriberHooks } from '../delivery/hook-payloads.js';
import { callHandler } from '../delivery/handler/handlers.js';
import type { Engine } from '../engine/engine.js';
import { ConfigurationError, WebSubError } from '../errors.js';
import type { Listener } from '../http/listen/listener.js';
import type { Logger } from '../logger.js';
import type { SubscriptionRecord } from '../subscription/record/record.js';
import { INSPECT } from '../subscription/record/log-view.js';
import type { Subscription } from '../subscription/record/snapshot.js';
import { BeginOnce } from './lifecycle/first-requests-trigger.js';
import { timeLimit } from './lifecycle/wait-limits.js';
import type { Core } from './core.js';
import { definitionOf } from './services/definition.js';
import type { HostServer } from './lifecycle/host-server.js';
import type { Reach } from './lifecycle/reachability-hint.js';
import { whenReady } from './lifecycle/readiness.js';
import { runtimeView } from './runtime-view.js';
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

const READY_MS = 60_000;

/** Milliseconds of a stop that are kept for shutdown listeners, however long hubs and handlers take. */
const RESERVE_MS = 2_000;

/** What a runtime is made of. */
export interface RuntimeOptions {
  readonly core: Core;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly url: string;
  readonly port: number | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly graceSeconds: number;
  readonly listener: Listener | undefined;
  readonly host: HostServer | undefined;
  readonly reach: Reach;
  /** Closes what was opened, in the order of opening. */
  readonly opened: readonly (() => unknown)[];
}

/** A runtime's outside and its end. */
export class Runtime implements SubscriberRuntime {
  readonly url: string;
  readonly port: number | undefined;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly nodeHandler: (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;
  readonly subscriptions: Subscriptions;
  readonly deadLetters: DeadLetterList;
  readonly hooks: Pick<SubscriberHooks, 'on'>;
  readonly firstRequests = new BeginOnce();
  readonly #options: RuntimeOptions;
  readonly #started: SubscriberHandlers[] = [];
  readonly #listeners: (() => unknown)[] = [];
  readonly #beginnings: (() => void)[] = [];
  readonly #stop = new AbortController();
  #stopped: Promise<void> | undefined;
  #hasten = (): void => {};
  #ownsStore = true;
  #isBeginning = false;

  constructor(options: RuntimeOptions) {
    const { core, url, port } = options;
    this.#options = options;
    this.url = url;
    this.port = port;
    this.fetch = core.app.fetch;
    this.nodeHandler = core.app.nodeHandler;
    this.subscriptions = subscriptionList(core.registry);
    this.deadLetters = {
      replay: async (id) => {
        this.#refuseWhenStopping();
        await core.news.deadLetters.replay(id);
      },
      discard: async (id) => {
        this.#refuseWhenStopping();
        await core.news.deadLetters.discard(id);
      },
      [Symbol.asyncIterator]: () => core.news.deadLetters.list(),
    };
    this.hooks = { on: (name, listener) => core.hooks.on(name, listener) };
  }

  /** Whether it stops, or has stopped. */
  get isStopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Lets the services begin. Those that have are told of the end, also when another one fails here. */
  async startServices(): Promise<void> {
    this.#isBeginning = true;
    try {
      for (const { handlers } of this.#options.core.services) {
        await callHandler(handlers, 'onStart', this);
        this.#started.push(handlers);
      }
    } finally {
      this.#isBeginning = false;
    }
  }

  /** Called when a stop begins; at once when it has begun already. */
  onStop(begin: () => void): void {
    if (this.isStopping) begin();
    else this.#beginnings.push(begin);
  }

  /** Another process owns the store: nothing more is written to it. */
  lost(): void {
    this.#ownsStore = false;
    void this.stopNow();
  }

  async begin(): Promise<void> {
    this.#refuseWhenStopping();
    await this.firstRequests.begin();
  }

  async ready({ timeoutMs = READY_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.#isBeginning) {
      throw new WebSubError('ready() waits for what begins after onStart: call it where startService has resolved.');
    }
    const { core } = this.#options;
    const { registry, hooks, reconciled, begun } = core;
    const serves = (service: string): boolean => core.serves(service);
    const isUnderWay = ({ id, grants }: SubscriptionRecord): boolean =>
      core.underWay.has(`${id} discover`) ||
      grants.some((grant) => grant.pending?.denied !== true && core.underWay.has(`${grant.id} subscribe`));
    const { now, reach } = this.#options;
    const stopping = this.#stop.signal;
    await whenReady({ registry, hooks, reconciled, begun, serves, isUnderWay, now, stopping, reach }, timeoutMs);
  }

  async subscribe(service: ServiceReference, options: SubscribeOptions): Promise<Subscription> {
    const { name, config } = definitionOf(service);
    const checked = checkSubscribeOptions(config, options);
    this.#refuseWhenStopping();
    const { core } = this.#options;
    return core.snapshot(await core.wanted.subscribe(name, checked));
  }

  async unsubscribe(what: string | ServiceReference, target?: SubscribeOptions['target']): Promise<Subscription> {
    const { core } = this.#options;
    if (typeof what === 'string') {
      if (target !== undefined) {
        throw new ConfigurationError(
          'unsubscribe() takes the id of a subscription, or a service and a target: pass the class, not its name.',
        );
      }
      this.#refuseWhenStopping();
      await core.wanted.unsubscribe(what);
      return core.snapshot(what);
    }
    const { name } = definitionOf(what);
    const checked = checkUnsubscribeTarget(name, target);
    this.#refuseWhenStopping();
    return core.snapshot(await core.wanted.unsubscribeFrom(name, checked));
  }

  async retry(id?: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#options.core.wanted.retry(id);
  }

  async renew(id: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#options.core.wanted.renew(id);
  }

  async rotateSecret(id: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#options.core.wanted.rotate(id, 'secret');
  }

  async rotateCallback(id: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#options.core.wanted.rotate(id, 'callback');
  }

  async resetCounters(id?: string): Promise<void> {
    this.#refuseWhenStopping();
    await this.#options.core.wanted.resetCounters(id);
  }

  onShutdown(listener: () => unknown): void {
    this.#listeners.push(listener);
  }

  stop(options: StopOptions = {}): Promise<void> {
    return (this.#stopped ??= this.#shutDown(options, this.#options.graceSeconds * 1000));
  }

  stopNow(): Promise<void> {
    this.#stopped ??= this.#shutDown({ unsubscribe: false }, RESERVE_MS);
    this.#hasten();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Shows a summary in `console.log(runtime)`. */
  [INSPECT](): object {
    return runtimeView(this.#options.core, this);
  }

  #shutDown(options: StopOptions, graceMs: number): Promise<void> {
    const patience = timeLimit(graceMs - Math.min(RESERVE_MS, graceMs / 4));
    const end = timeLimit(graceMs);
    const last = timeLimit(graceMs + LAST_STEP_MS);
    this.#hasten = () => {
      patience.end();
      end.end(RESERVE_MS);
      last.end(RESERVE_MS + LAST_STEP_MS);
    };
    for (const begin of this.#beginnings) begin();
    this.#stop.abort();
    const endings = (): readonly (() => unknown)[] => [
      ...this.#started.map((handlers) => () => callHandler(handlers, 'onShutdown', this)),
      ...this.#listeners,
    ];
    const ownsStore = (): boolean => this.#ownsStore;
    return shutDown({ ...this.#options, ownsStore, endings, patience, end, last }, options);
  }

  #refuseWhenStopping(): void {
    if (this.isStopping) throw new WebSubError('The runtime stops, or has stopped: start the service anew.');
  }
}
