import type { Engine } from '../engine/engine.js';
import { ConfigurationError, WebSubError } from '../errors.js';
import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from '../subscription/record/record.js';
import type { SubscriptionMetadata, SubscriptionTarget } from '../subscription/record/snapshot.js';
import { latestSecret } from '../subscription/machine/rules/secrets.js';
import { isEnabled, isWorking, stateOf } from '../subscription/machine/state.js';
import { isLiteralCallback } from './callback-paths.js';
import { forEachSubscription } from './each-subscription.js';
import { TargetIndex } from './known-targets.js';
import { reconcileStored, addDeclared, type ReconcileOptions } from './reconcile.js';
import { callbackRotationProblem, secretRotationProblem } from './rotation-checks.js';
import type { DeclaredService } from './declared-service.js';
import { targetName } from '../subscription/record/target.js';

/** Dependencies of deciding about subscriptions. */
export interface DesiredSubscriptionsOptions extends Omit<ReconcileOptions, 'targetIndex' | 'isRequested'> {
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
export class DesiredSubscriptions {
  readonly #options: DesiredSubscriptionsOptions;
  readonly #targetIndex: TargetIndex;
  /** Those that another one for the same target stands for. */
  #duplicateSubscriptions: readonly SubscriptionRecord[] = [];
  /** Asked for by this process already. */
  readonly #requestedIds = new Set<string>();

  constructor(options: DesiredSubscriptionsOptions) {
    this.#options = options;
    this.#targetIndex = new TargetIndex(options.registry, options.now);
  }

  /** Takes in what the registry has read from the store. */
  async load(): Promise<void> {
    this.#duplicateSubscriptions = await this.#targetIndex.load();
  }

  /** Every declared target of these services gets its subscription, and every subscription that is wanted is asked for. */
  async reconcile(configs: readonly DeclaredService[]): Promise<void> {
    const options = {
      ...this.#options,
      targetIndex: this.#targetIndex,
      isRequested: (id: string) => this.#requestedIds.has(id),
    };
    const declared = new Set<string>();
    for (const { id, service, target } of this.#duplicateSubscriptions) {
      if (options.isClosing() || this.#requestedIds.has(id) || options.configOf(service) === undefined) continue;
      options.logger.warn(
        { subscription: id, service },
        `the store holds two subscriptions to ${targetName(target)}, as one could not be read for a while: the younger one is unsubscribed`,
      );
      await options.registry.apply(id, { type: 'unwanted', why: 'pruned' });
    }
    for (const config of configs)
      await this.#withServiceLock(config.name, () => addDeclared(options, config, declared));
    if (!options.isClosing()) await reconcileStored(options, declared);
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
    return this.#withServiceLock(service, async () => {
      const existingId = this.#targetIndex.idOf(service, target);
      this.#refuseSharedCallback(config, existingId);
      if (existingId !== undefined) {
        this.#requestedIds.add(existingId);
        const { declared = false, orphaned } = registry.get(existingId)?.record ?? {};
        if (orphaned === true) await registry.setDeclared(existingId, declared);
        await registry.apply(existingId, { type: 'retried', overrides, metadata });
        return existingId;
      }
      const id = await this.#targetIndex.add({
        service,
        target,
        declared: false,
        overrides,
        ...(metadata && { metadata }),
      });
      this.#requestedIds.add(id);
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
    return this.#withServiceLock(service, async () => {
      const id = this.#targetIndex.idOf(service, target);
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
    await this.#withServiceLock(record.service, async () => {
      this.#refuseSharedCallback(config, id);
      await registry.apply(id, { type: 'retried', atOnce: true });
    });
  }

  /** @throws WebSubError for a subscription that is not there or not active, or whose service is not there */
  async renew(id: string): Promise<void> {
    const { record } = this.#require(id);
    const state = stateOf(record);
    if (state !== 'active' || !isEnabled(record)) {
      const what = state === 'active' ? `held (${record.stoppedBecause})` : state;
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
    if (stateOf(record) !== 'active' || !isEnabled(record)) {
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
      hasFailures(record) ? registry.apply(record.id, { type: 'counters-reset' }) : undefined,
    );
  }

  /** @throws ConfigurationError where the service's callback serves another wanted subscription */
  #refuseSharedCallback(config: DeclaredService, id: string | undefined): void {
    if (!isLiteralCallback(config)) return;
    for (const { record } of this.#options.registry.all()) {
      if (record.service !== config.name || record.desired !== 'subscribed' || record.id === id) continue;
      throw new ConfigurationError(
        `Service "${config.name}": callback is taken literally and serves ${targetName(record.target)} already; set ` +
          'appendServicePath, or leave callback out.',
      );
    }
  }

  #withServiceLock<T>(service: string, work: () => Promise<T>): Promise<T> {
    return this.#options.engine.runExclusive(`subscriptions of ${service}`, work);
  }

  #require(id: string): { readonly record: SubscriptionRecord; readonly config: DeclaredService } {
    const { registry, configOf } = this.#options;
    const stored = registry.get(id);
    if (stored === undefined) throw new WebSubError(`There is no subscription ${id}.`);
    const { record } = stored;
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
  const { desired, stoppedBecause: hold, attempts } = record;
  return desired === 'subscribed' && (hold !== undefined || attempts > 0 || stateOf(record) === 'denied');
}

function hasGrantFailure({ attempts, refusals = 0, notBefore }: GrantRecord): boolean {
  return attempts + refusals > 0 || notBefore !== undefined;
}

/** Whether any failure is counted, or waited for. */
function hasFailures({ attempts, failures, stoppedBecause: hold, passedOver, grants }: SubscriptionRecord): boolean {
  const counts = attempts > 0 || failures !== undefined || passedOver.length > 0 || hold === 'gave-up';
  return counts || grants.some(hasGrantFailure);
}
