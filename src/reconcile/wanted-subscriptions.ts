import type { Engine } from '../engine/engine.js';
import { ConfigurationError, WebSubError } from '../errors.js';
import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from '../subscription/record/record.js';
import type { SubscriptionMetadata, SubscriptionTarget } from '../subscription/record/snapshot.js';
import { latestSecret } from '../subscription/machine/rules/secrets.js';
import { isAsking, isWorking, stateOf } from '../subscription/machine/state.js';
import { isLiteral } from './callback-paths.js';
import { forEachSubscription } from './each-subscription.js';
import { KnownTargets } from './known-targets.js';
import { compare, declare, type ReconcileOptions } from './reconcile.js';
import { callbackRotationProblem, secretRotationProblem } from './rotation-checks.js';
import type { DeclaredService } from './declared-service.js';
import { targetName } from '../subscription/record/target.js';

/** Dependencies of deciding about subscriptions. */
export interface WantedOptions extends Omit<ReconcileOptions, 'known' | 'isBegun'> {
  readonly engine: Engine;
  /** Throws a ConfigurationError for a target that the service's options rule out. */
  readonly checkTarget: (service: string, target: SubscriptionTarget) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The arguments of `subscribe()`, checked. Undefined `overrides` or `metadata`: those of an earlier call stay. */
export interface CheckedSubscribeOptions {
  readonly target: SubscriptionTarget;
  readonly overrides: SubscriptionOverrides | undefined;
  readonly metadata: SubscriptionMetadata | undefined;
}

/** Which subscriptions there are to be: one for each service and target, declared or asked for. */
export class WantedSubscriptions {
  readonly #options: WantedOptions;
  readonly #known: KnownTargets;
  /** Those that another one for the same target stands for. */
  #doubles: readonly SubscriptionRecord[] = [];
  /** Asked for by this process already. */
  readonly #begun = new Set<string>();

  constructor(options: WantedOptions) {
    this.#options = options;
    this.#known = new KnownTargets(options.registry, options.now);
  }

  /** Takes in what the registry has read from the store. */
  async load(): Promise<void> {
    this.#doubles = await this.#known.load();
  }

  /** Every declared target of these services gets its subscription, and every subscription that is wanted is asked for. */
  async reconcile(configs: readonly DeclaredService[]): Promise<void> {
    const options = { ...this.#options, known: this.#known, isBegun: (id: string) => this.#begun.has(id) };
    const declared = new Set<string>();
    for (const { id, service, target } of this.#doubles) {
      if (options.isClosing() || this.#begun.has(id) || options.configOf(service) === undefined) continue;
      options.logger.warn(
        { subscription: id, service },
        `the store holds two subscriptions to ${targetName(target)}, as one could not be read for a while: the younger one is unsubscribed`,
      );
      await options.registry.apply(id, { type: 'unwanted', why: 'pruned' });
    }
    for (const config of configs) await this.#inTurn(config.name, () => declare(options, config, declared));
    if (!options.isClosing()) await compare(options, declared);
  }

  /**
   * @returns the subscription's id
   * @throws ConfigurationError where the service's callback can serve no second subscription, or cannot poll the topic
   */
  async subscribe(service: string, { target, overrides, metadata }: CheckedSubscribeOptions): Promise<string> {
    const { registry, configOf, checkTarget } = this.#options;
    const config = configOf(service);
    if (config === undefined) {
      throw new ConfigurationError(`Service "${service}" is not one of this runtime's services: start it as well.`);
    }
    checkTarget(service, target);
    // One at a time for each service: two calls with one target are about one subscription.
    return this.#inTurn(service, async () => {
      const known = this.#known.idOf(service, target);
      this.#refuseSecond(config, known);
      if (known !== undefined) {
        this.#begun.add(known);
        const { declared = false, orphaned } = registry.get(known)?.record ?? {};
        if (orphaned === true) await registry.setDeclared(known, declared);
        await registry.apply(known, { type: 'retried', overrides, metadata });
        return known;
      }
      const id = await this.#known.add({ service, target, declared: false, overrides, ...(metadata && { metadata }) });
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
   * @returns the subscription's id
   * @throws WebSubError where the service has no subscription to the target, or does not run
   */
  async unsubscribeFrom(service: string, target: SubscriptionTarget): Promise<string> {
    // After a subscribe() that was called before it.
    return this.#inTurn(service, async () => {
      const id = this.#known.idOf(service, target);
      if (id === undefined) {
        throw new WebSubError(`Service "${service}" has no subscription to ${targetName(target)}.`);
      }
      await this.unsubscribe(id);
      return id;
    });
  }

  /**
   * @throws WebSubError for a subscription that is not there, or whose service is not
   * @throws ConfigurationError where its callback serves another subscription by now
   */
  async retry(id: string | undefined): Promise<void> {
    const { registry } = this.#options;
    if (id === undefined) {
      await forEachSubscription(this.#options, (record) =>
        isStuck(record) ? registry.apply(record.id, { type: 'retried' }) : undefined,
      );
      return;
    }
    const { record, config } = this.#require(id);
    await this.#inTurn(record.service, async () => {
      this.#refuseSecond(config, id);
      await registry.apply(id, { type: 'retried', atOnce: true });
    });
  }

  /** @throws WebSubError for a subscription that is not there or not active, or whose service is not there */
  async renew(id: string): Promise<void> {
    const { record } = this.#require(id);
    const state = stateOf(record);
    if (state !== 'active' || !isAsking(record)) {
      const what = state === 'active' ? `held (${record.hold})` : state;
      throw new WebSubError(
        `Subscription ${id} is ${what}: there is nothing to renew; use retry(id) to have it asked for.`,
      );
    }
    await this.#options.registry.apply(id, { type: 'renewal-wanted' });
  }

  /**
   * @throws WebSubError for a subscription that is not there or not active, or whose service is not there
   * @throws ConfigurationError where its secret or callback is fixed
   */
  async rotate(id: string, what: 'secret' | 'callback'): Promise<void> {
    const { record, config } = this.#require(id);
    const problem =
      what === 'secret'
        ? secretRotationProblem({ secret: record.overrides?.secret ?? config.secret })
        : callbackRotationProblem(config);
    if (problem !== undefined)
      throw new ConfigurationError(`Subscription ${id} of service "${config.name}": ${problem}`);
    if (stateOf(record) !== 'active' || !isAsking(record)) {
      throw new WebSubError(
        `Subscription ${id} is ${stateOf(record)}, so its ${what} cannot be rotated: use retry(id) to subscribe again.`,
      );
    }
    if (
      what === 'secret' &&
      !record.grants.some((grant) => isWorking(grant) && latestSecret(grant.secrets) !== undefined)
    ) {
      throw new ConfigurationError(
        `Subscription ${id} of service "${config.name}" has no secret to rotate: set secret to 'auto', and renew(id).`,
      );
    }
    await this.#options.registry.apply(id, { type: 'rotation-wanted', what });
  }

  /** @throws WebSubError for a subscription that is not there, or whose service is not */
  async resetCounters(id: string | undefined): Promise<void> {
    const { registry } = this.#options;
    if (id !== undefined) {
      this.#require(id);
      await registry.apply(id, { type: 'counters-reset' });
      return;
    }
    await forEachSubscription(this.#options, (record) =>
      hasCounted(record) ? registry.apply(record.id, { type: 'counters-reset' }) : undefined,
    );
  }

  /** @throws ConfigurationError where the service's callback serves another wanted subscription */
  #refuseSecond(config: DeclaredService, id: string | undefined): void {
    if (!isLiteral(config)) return;
    for (const { record } of this.#options.registry.entries()) {
      if (record.service !== config.name || record.desired !== 'subscribed' || record.id === id) continue;
      throw new ConfigurationError(
        `Service "${config.name}": callback is taken literally and serves ${targetName(record.target)} already; set ` +
          'appendServicePath, or leave callback out.',
      );
    }
  }

  #inTurn<T>(service: string, work: () => Promise<T>): Promise<T> {
    return this.#options.engine.inTurn(`subscriptions of ${service}`, work);
  }

  #require(id: string): { readonly record: SubscriptionRecord; readonly config: DeclaredService } {
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

/** Whether it is wanted, and does not come about as it should. */
function isStuck(record: SubscriptionRecord): boolean {
  const { desired, hold, attempts } = record;
  return desired === 'subscribed' && (hold !== undefined || attempts > 0 || stateOf(record) === 'denied');
}

function hasFailed({ attempts, refusals = 0, notBefore }: GrantRecord): boolean {
  return attempts + refusals > 0 || notBefore !== undefined;
}

/** Whether any failure is counted, or waited for. */
function hasCounted({ attempts, failures, hold, passedOver, grants }: SubscriptionRecord): boolean {
  const counts = attempts > 0 || failures !== undefined || passedOver.length > 0 || hold === 'gave-up';
  return counts || grants.some(hasFailed);
}
