import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HookListener, HookName } from '../delivery/hooks.js';
import type { Engine } from '../engine/engine.js';
import type { Listener } from '../http/listener.js';
import type { Logger } from '../logger.js';
import type { Subscription } from '../subscription/snapshot.js';
import { checkServiceConfig } from './check-config.js';
import type { Core } from './core.js';
import { definitionOf, type ServiceReference } from './definition.js';
import { whenReady } from './readiness.js';
import { reportLeftovers, runAll, unsubscribeAll, within } from './shutdown.js';
import { subscriptionList } from './subscription-list.js';
import type { StopOptions, SubscribeOptions, SubscriberRuntime, Subscriptions } from './subscriber-runtime.js';

const READY_MS = 60_000;
/** Milliseconds that a stop without patience still gives answers to leave and the store to take events. */
const STOP_NOW_MS = 2_000;

/** What a runtime is made of. */
export interface RuntimeOptions {
  readonly core: Core;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly url: string;
  readonly port: number | undefined;
  readonly graceSeconds: number;
}

/** What a runtime has opened and closes at its end, the last first. */
export interface Opened {
  readonly listener: Listener | undefined;
  readonly opened: readonly (() => unknown)[];
}

/** A runtime's outside and its end. */
export class Runtime implements SubscriberRuntime {
  readonly url: string;
  readonly port: number | undefined;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly nodeHandler: (
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => void;
  readonly subscriptions: Subscriptions;
  readonly hooks: { on(name: HookName, listener: HookListener): () => void };
  readonly #options: RuntimeOptions;
  #opened: Opened = { listener: undefined, opened: [] };
  readonly #listeners: (() => unknown)[] = [];
  readonly #ends: (() => void)[] = [];
  #stopping: Promise<void> | undefined;
  readonly #patience = new AbortController();

  constructor(options: RuntimeOptions) {
    const { core, url, port } = options;
    this.#options = options;
    this.url = url;
    this.port = port;
    this.fetch = core.app.fetch;
    this.nodeHandler = core.app.nodeHandler;
    this.subscriptions = subscriptionList(core.registry);
    this.hooks = { on: (name, listener) => core.hooks.on(name, listener) };
  }

  /** Told when everything is open. */
  began(opened: Opened): void {
    this.#opened = opened;
  }

  /** Called when the stop begins. */
  onEnd(end: () => void): void {
    this.#ends.push(end);
  }

  /** What is declared could not be subscribed after `startService` had resolved. */
  failed(error: unknown): void {
    this.#options.logger.fatal({ err: error }, 'the declared subscriptions could not be stored: stopping');
    void this.stopNow();
  }

  async ready({ timeoutMs = READY_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { core } = this.#options;
    const isServed = (service: string): boolean => core.serves(service);
    await whenReady({ registry: core.registry, hooks: core.hooks, isServed, signal: core.signal }, timeoutMs);
  }

  async subscribe(service: ServiceReference, { target, ...overrides }: SubscribeOptions): Promise<Subscription> {
    const { name, declared } = definitionOf(service);
    const checked = checkServiceConfig(name, { ...declared, ...overrides, target, targets: undefined });
    const [checkedTarget = ''] = checked.targets;
    const given = Object.values(overrides).some((value) => value !== undefined);
    return this.#options.core.subscribe(name, checkedTarget, given ? overrides : undefined);
  }

  async unsubscribe(id: string): Promise<Subscription> {
    return this.#options.core.unsubscribe(id);
  }

  async retry(id?: string): Promise<void> {
    await this.#options.core.retry(id);
  }

  onShutdown(listener: () => unknown): void {
    this.#listeners.push(listener);
  }

  stop(options: StopOptions = {}): Promise<void> {
    return (this.#stopping ??= this.#stop(options, this.#options.graceSeconds * 1000));
  }

  stopNow(): Promise<void> {
    this.#patience.abort();
    return (this.#stopping ??= this.#stop({ unsubscribe: false }, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(options: StopOptions, graceMs: number): Promise<void> {
    const { core, engine, logger } = this.#options;
    const patience = AbortSignal.any([AbortSignal.timeout(graceMs), this.#patience.signal]);
    for (const end of this.#ends) end();
    core.close();
    await unsubscribeAll(core, options, patience);
    reportLeftovers(core, logger);
    engine.stop();
    await this.#settleHandlers(patience);
    const services = core.services.map(
      ({ handlers }) =>
        () =>
          handlers.onShutdown?.(this),
    );
    await within(runAll([...services, ...this.#listeners], logger, 'a shutdown listener failed'), patience);
    core.abort();
    const { listener, opened } = this.#opened;
    if (listener !== undefined) await within(listener.close(), AbortSignal.any([patience, AbortSignal.timeout(STOP_NOW_MS)]));
    await runAll([() => core.registry.flush()], logger, 'counters could not be stored');
    await runAll(opened.toReversed(), logger, 'something could not be closed');
    logger.info('stopped');
  }

  /** Handlers end by themselves, or their events are in the store for the next start. */
  async #settleHandlers(patience: AbortSignal): Promise<void> {
    const { core } = this.#options;
    const quiet = async (): Promise<void> => {
      await core.delivery.settled();
      await core.inbox.stop();
    };
    await within(quiet(), patience);
    core.delivery.hurry();
    core.delivery.abort();
    await within(core.delivery.answered(), AbortSignal.timeout(STOP_NOW_MS));
  }
}
