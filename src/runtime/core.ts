import { randomUUID } from 'node:crypto';
import { Delivery } from '../delivery/delivery.js';
import { Hooks } from '../delivery/hooks.js';
import { Inbox } from '../delivery/inbox.js';
import type { Engine } from '../engine/engine.js';
import { ConfigurationError, WebSubError } from '../errors.js';
import { callbackApp, type CallbackApp } from '../http/app.js';
import type { CallbackService } from '../http/callback.js';
import type { Logger } from '../logger.js';
import type { RecordStore } from '../store/record-store.js';
import { hubClient, type HubClient } from '../subscription/hub-client.js';
import type { Effect } from '../subscription/events.js';
import { newSubscription, type SubscriptionOverrides, type SubscriptionRecord } from '../subscription/record.js';
import { Registry } from '../subscription/registry.js';
import type { Subscription, SubscriptionTarget } from '../subscription/snapshot.js';
import { subscriptionSnapshot } from '../subscription/snapshot-of.js';
import type { ServiceTerms } from '../subscription/terms.js';
import { isLiteral } from './callback-paths.js';
import type { SubscriberHandlers } from './handlers.js';
import { announce } from './hook-log.js';
import type { CheckedServiceConfig } from './service-config.js';
import type { SecurityOptions } from './start-options.js';
import { sameness } from './target-checks.js';
import { termsOf } from './terms-of.js';

const TOMBSTONE_MS = 30 * 86_400_000;
const FLUSH_TIME = '*/10 * * * * *';
const SWEEP_TIME = '0 3 * * *';

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
  readonly security: Required<SecurityOptions>;
  readonly basePath: string;
}

/** The inside of a runtime: everything but its listener and its beginning and end. */
export class Core {
  readonly hooks: Hooks;
  readonly registry: Registry;
  readonly delivery: Delivery;
  readonly inbox: Inbox;
  readonly app: CallbackApp;
  readonly #options: CoreOptions;
  readonly #client: HubClient;
  readonly #abort = new AbortController();
  readonly #services = new Map<string, RunningService & { readonly callback: CallbackService }>();
  readonly #terms = new Map<string, ServiceTerms>();
  readonly #byTarget = new Map<string, string>();
  /** What is being asked on the network, by subscription and purpose. */
  readonly #underWay = new Map<string, Promise<void>>();
  #closing = false;

  constructor(options: CoreOptions) {
    const { store, engine, logger, now, random } = options;
    this.#options = options;
    this.hooks = new Hooks(logger);
    const serviceOf = (name: string): CallbackService | undefined => this.#services.get(name)?.callback;
    this.registry = new Registry({
      store,
      engine,
      logger,
      now,
      random,
      termsOf: (service) => this.#terms.get(service),
      perform: (record, effect) => this.#perform(record, effect),
    });
    this.inbox = new Inbox({
      store,
      engine,
      logger,
      now,
      random,
      limitsOf: (service) => serviceOf(service)?.delivery,
      run: (event) => this.delivery.redeliver(event),
      onDeadLetter: (event) => this.delivery.bury(event),
    });
    this.delivery = new Delivery({
      inbox: this.inbox,
      hooks: this.hooks,
      logger,
      now,
      targetOf: serviceOf,
      entryOf: (id) => this.registry.get(id),
      onDeleted: (id) => this.#deleted(id),
    });
    const { maxBodyBytes, bodyTimeoutMs } = options.security;
    const limits = { maxBodyBytes, bodyTimeoutMs };
    const { registry, delivery, hooks } = this;
    this.app = callbackApp({ registry, delivery, hooks, logger, limits, now, serviceOf }, options.basePath);
    this.#client = hubClient({
      apply: (id, event) => this.registry.apply(id, event),
      logger,
      now,
      signal: this.#abort.signal,
    });
  }

  /** Takes the services in, and reads what the store has of them. */
  async load(services: readonly RunningService[], base: string): Promise<void> {
    for (const service of services) {
      const { config, handlers } = service;
      const { name, delivery, signature } = config;
      const callback = { name, handler: handlers, intent: handlers, delivery, signature };
      this.#services.set(name, { ...service, callback });
      this.#terms.set(name, termsOf(config, this.#options.security, base));
    }
    await this.registry.load();
    for (const { record } of this.registry.entries()) this.#byTarget.set(targetKey(record.service, record.target), record.id);
    await this.inbox.load();
    const { engine } = this.#options;
    engine.every(FLUSH_TIME, () => this.#inBackground('flush', () => this.registry.flush()));
    engine.every(SWEEP_TIME, () => this.#inBackground('sweep', () => this.sweep()));
  }

  /** Forgets tombstones that are old enough. */
  async sweep(): Promise<void> {
    await this.registry.sweep(this.#options.now() - TOMBSTONE_MS);
  }

  /** Every declared target gets its subscription, and every subscription that is wanted is asked for. */
  async reconcile(): Promise<void> {
    for (const { config } of this.#services.values()) {
      for (const target of config.targets) {
        if (!this.#byTarget.has(targetKey(config.name, target))) await this.#add(config.name, target, true, undefined);
      }
    }
    for (const { record } of this.registry.entries()) {
      if (this.serves(record.service)) await this.registry.apply(record.id, { type: 'wanted' });
      else this.#options.logger.warn({ subscription: record.id, service: record.service }, 'no such service is declared');
    }
  }

  /** Resolves when nothing is being asked on the network. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values());
  }

  serves(service: string): boolean {
    return this.#services.has(service);
  }

  get services(): readonly RunningService[] {
    return [...this.#services.values()];
  }

  /** @throws ConfigurationError where the service's callback can serve no second subscription */
  async subscribe(
    service: string,
    target: SubscriptionTarget,
    overrides: SubscriptionOverrides | undefined,
  ): Promise<Subscription> {
    const running = this.#services.get(service);
    if (running === undefined) throw new ConfigurationError(`Service "${service}" is not one of this runtime's services.`);
    const known = this.#byTarget.get(targetKey(service, target));
    if (known !== undefined) {
      await this.registry.apply(known, { type: 'retried' });
      return this.snapshot(known);
    }
    const others = [...this.registry.entries()].some(({ record }) => record.service === service);
    if (others && isLiteral(running.config)) {
      throw new ConfigurationError(
        `Service "${service}": callback is taken literally and serves one subscription already; set appendServicePath.`,
      );
    }
    const id = await this.#add(service, target, false, overrides);
    await this.registry.apply(id, { type: 'wanted' });
    return this.snapshot(id);
  }

  async unsubscribe(id: string): Promise<Subscription> {
    await this.registry.apply(id, { type: 'unwanted', why: 'unsubscribed' });
    return this.snapshot(id);
  }

  async retry(id: string | undefined): Promise<void> {
    const ids = id === undefined ? this.#stuck() : [id];
    for (const each of ids) await this.registry.apply(each, { type: 'retried' });
  }

  snapshot(id: string): Subscription {
    const entry = this.registry.get(id);
    if (entry === undefined) throw new WebSubError(`There is no subscription ${id}`);
    return subscriptionSnapshot(entry.record, entry.counters.stats());
  }

  /** From now on nothing is subscribed any more; unsubscribing goes on. */
  close(): void {
    this.#closing = true;
  }

  /** Gives up what is being asked on the network. */
  abort(): void {
    this.#abort.abort();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  #stuck(): readonly string[] {
    return [...this.registry.entries()].flatMap(({ record }) =>
      record.desired === 'subscribed' && (record.hold !== undefined || record.attempts > 0) ? record.id : [],
    );
  }

  async #add(
    service: string,
    target: SubscriptionTarget,
    declared: boolean,
    overrides: SubscriptionOverrides | undefined,
  ): Promise<string> {
    const id = randomUUID();
    const createdAt = this.#options.now();
    const key = targetKey(service, target);
    // Taken before the store is asked: a second call meanwhile is about the same subscription.
    this.#byTarget.set(key, id);
    try {
      await this.registry.add(newSubscription({ id, service, target, declared, createdAt, overrides }));
    } catch (error) {
      this.#byTarget.delete(key);
      throw error;
    }
    return id;
  }

  #perform(record: SubscriptionRecord, effect: Effect): void {
    const { logger, now } = this.#options;
    const terms = this.#terms.get(record.service);
    const entry = this.registry.get(record.id);
    if (terms === undefined || entry === undefined) return;
    switch (effect.type) {
      case 'discover':
        if (!this.#closing) this.#once(`${record.id} discover`, () => this.#client.discover(record, terms));
        return;
      case 'request': {
        const { grantId, mode } = effect;
        if (this.#closing && mode === 'subscribe') return;
        this.#once(`${grantId} ${mode}`, () => this.#client.request(record, grantId, mode, terms));
        return;
      }
      case 'warn':
        logger.warn({ subscription: record.id, grant: effect.grantId }, effect.message);
        return;
      case 'hook':
        announce(record, effect, { entry, hooks: this.hooks, logger, now });
        return;
    }
  }

  #once(key: string, work: () => Promise<void>): void {
    if (this.#underWay.has(key)) return;
    const run = this.#logged(work, 'a subscription could not be worked on').finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, run);
  }

  async #deleted(id: string): Promise<void> {
    await this.#logged(async () => {
      await this.registry.apply(id, { type: 'unwanted', why: 'deleted' });
    }, 'a subscription could not be ended');
  }

  #inBackground(what: string, work: () => Promise<void>): void {
    void this.#logged(work, `the ${what} failed`);
  }

  async #logged(work: () => Promise<void>, message: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.logger.error({ err: error }, message);
    }
  }
}

function targetKey(service: string, target: SubscriptionTarget): string {
  return `${service}\n${sameness(target)}`;
}
