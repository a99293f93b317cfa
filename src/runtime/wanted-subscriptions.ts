import { randomUUID } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import { ConfigurationError, WebSubError } from '../errors.js';
import type { Logger } from '../logger.js';
import { newSubscription, type SubscriptionOverrides, type SubscriptionRecord } from '../subscription/record.js';
import type { Registry } from '../subscription/registry.js';
import type { SubscriptionTarget } from '../subscription/snapshot.js';
import { isLiteral } from './callback-paths.js';
import type { CheckedServiceConfig } from './service-config.js';
import { sameness } from './target-checks.js';

/** What deciding about subscriptions works with. */
export interface WantedOptions {
  readonly registry: Registry;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly configOf: (service: string) => CheckedServiceConfig | undefined;
  /** Whether the runtime stops: nothing is begun any more. */
  readonly isClosing: () => boolean;
}

/** Which subscriptions there are to be: one for each service and target, declared or asked for. */
export class WantedSubscriptions {
  readonly #options: WantedOptions;
  readonly #byTarget = new Map<string, string>();
  /** Asked for by this process already. */
  readonly #begun = new Set<string>();

  constructor(options: WantedOptions) {
    this.#options = options;
  }

  /** Takes in what the registry has read from the store. */
  load(): void {
    for (const { record } of this.#options.registry.entries()) {
      this.#byTarget.set(targetKey(record.service, record.target), record.id);
    }
  }

  /** Every declared target of these services gets its subscription, and every subscription that is wanted is asked for. */
  async reconcile(configs: readonly CheckedServiceConfig[]): Promise<void> {
    const { registry, logger, configOf, isClosing } = this.#options;
    for (const config of configs) await this.#inTurn(config.name, () => this.#declare(config));
    for (const { record } of registry.entries()) {
      if (isClosing()) return;
      if (this.#begun.has(record.id)) continue;
      if (configOf(record.service) !== undefined) await registry.apply(record.id, { type: 'wanted' });
      else {
        logger.warn(
          { subscription: record.id, service: record.service },
          `the store holds a subscription to ${named(record.target)} of service "${record.service}", which is not started here: ` +
            'it is kept and left alone; start that service as well, or give this one a store of its own',
        );
      }
    }
  }

  /**
   * @returns the subscription's id
   * @throws ConfigurationError where the service's callback can serve no second subscription
   */
  async subscribe(
    service: string,
    target: SubscriptionTarget,
    overrides: SubscriptionOverrides | undefined,
  ): Promise<string> {
    const { registry, configOf } = this.#options;
    const config = configOf(service);
    if (config === undefined) {
      throw new ConfigurationError(`Service "${service}" is not one of this runtime's services: start it as well.`);
    }
    // One at a time for each service: two calls with one target are about one subscription.
    return this.#inTurn(service, async () => {
      const known = this.#known(service, target);
      this.#refuseSecond(config, known);
      if (known !== undefined) {
        this.#begun.add(known);
        await registry.apply(known, { type: 'retried', overrides });
        return known;
      }
      const id = await this.#add(service, target, false, overrides);
      this.#begun.add(id);
      await registry.apply(id, { type: 'wanted' });
      return id;
    });
  }

  /** @throws WebSubError for a subscription that is not there, or whose service is not */
  async unsubscribe(id: string): Promise<void> {
    this.#require(id);
    await this.#options.registry.apply(id, { type: 'unwanted', why: 'unsubscribed' });
  }

  /**
   * @throws WebSubError for a subscription that is not there, or whose service is not
   * @throws ConfigurationError where its callback serves another subscription by now
   */
  async retry(id: string | undefined): Promise<void> {
    const { registry } = this.#options;
    if (id === undefined) {
      for (const each of this.#stuck()) await registry.apply(each, { type: 'retried' });
      return;
    }
    const { record, config } = this.#require(id);
    await this.#inTurn(record.service, async () => {
      this.#refuseSecond(config, id);
      await registry.apply(id, { type: 'retried' });
    });
  }

  async #declare(config: CheckedServiceConfig): Promise<void> {
    if (isLiteral(config) && config.targets.length > 0) await this.#giveWay(config);
    const declared = new Set<string>();
    for (const target of config.targets) {
      if (this.#options.isClosing()) return;
      declared.add(this.#known(config.name, target) ?? (await this.#add(config.name, target, true, undefined)));
    }
    for (const { record } of this.#options.registry.entries()) {
      if (record.service !== config.name) continue;
      await this.#options.registry.setDeclared(record.id, declared.has(record.id));
    }
  }

  /** The id of what is stored for a target; what was swept away is not there any more. */
  #known(service: string, target: SubscriptionTarget): string | undefined {
    const id = this.#byTarget.get(targetKey(service, target));
    return id !== undefined && this.#options.registry.get(id) !== undefined ? id : undefined;
  }

  /** @throws ConfigurationError where the service's callback serves another wanted subscription */
  #refuseSecond(config: CheckedServiceConfig, id: string | undefined): void {
    if (!isLiteral(config)) return;
    const other = this.#wantedOf(config.name).find((record) => record.id !== id);
    if (other === undefined) return;
    throw new ConfigurationError(
      `Service "${config.name}": callback is taken literally and serves ${named(other.target)} already; set ` +
        'appendServicePath, or leave callback out.',
    );
  }

  /** A literal callback serves what is declared now; what it served before has to go. */
  async #giveWay({ name, targets }: CheckedServiceConfig): Promise<void> {
    const { registry, logger } = this.#options;
    const declared = new Set(targets.map((target) => targetKey(name, target)));
    for (const record of this.#wantedOf(name)) {
      if (declared.has(targetKey(name, record.target))) continue;
      logger.warn(
        { subscription: record.id, service: name },
        `the callback is taken literally and serves another target now: ${named(record.target)} is unsubscribed`,
      );
      await registry.apply(record.id, { type: 'unwanted', why: 'unsubscribed' });
    }
  }

  async #add(
    service: string,
    target: SubscriptionTarget,
    declared: boolean,
    overrides: SubscriptionOverrides | undefined,
  ): Promise<string> {
    const id = randomUUID();
    const createdAt = this.#options.now();
    await this.#options.registry.add(newSubscription({ id, service, target, declared, createdAt, overrides }));
    this.#byTarget.set(targetKey(service, target), id);
    return id;
  }

  #inTurn<T>(service: string, work: () => Promise<T>): Promise<T> {
    return this.#options.engine.inTurn(`subscriptions of ${service}`, work);
  }

  #wantedOf(service: string): readonly SubscriptionRecord[] {
    return [...this.#options.registry.entries()].flatMap(({ record }) =>
      record.service === service && record.desired === 'subscribed' ? record : [],
    );
  }

  #stuck(): readonly string[] {
    return [...this.#options.registry.entries()].flatMap(({ record }) =>
      record.desired === 'subscribed' && (record.hold !== undefined || record.attempts > 0) ? record.id : [],
    );
  }

  #require(id: string): { readonly record: SubscriptionRecord; readonly config: CheckedServiceConfig } {
    const { registry, configOf } = this.#options;
    const entry = registry.get(id);
    if (entry === undefined) throw new WebSubError(`There is no subscription ${id}.`);
    const { record } = entry;
    const config = configOf(record.service);
    if (config === undefined) {
      throw new WebSubError(
        `Subscription ${id} belongs to service "${record.service}", which this runtime does not run.`,
      );
    }
    return { record, config };
  }
}

function targetKey(service: string, target: SubscriptionTarget): string {
  return `${service}\n${sameness(target)}`;
}

function named(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : `${target.topic} at ${target.hub}`;
}
