import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from '../subscription/record/record.js';
import type { SubscriptionMetadata, SubscriptionTarget } from '../subscription/record/snapshot.js';
import { latestSecret } from '../subscription/machine/rules/secrets.js';
import { isEnabled, isWorking, stateOf } from '../subscription/machine/state.js';
import { isLiteralCallback } from './callback-paths.js';
import { forEachSubscription } from './each-subscription.js';
import { reconcileStored, addDeclared, type Reconciliation } from './reconcile.js';
import { callbackRotationProblem, secretRotationProblem } from './rotation-checks.js';
import {
  callbackInUse,
  noSecretToRotate,
  noSubscription,
  noSubscriptionTo,
  notRenewable,
  notRotatable,
  rotationRefused,
  serviceNotRunning,
  subscriptionNotRunning,
} from './subscription-error.js';
import type { DeclaredService, ReconcileContext } from './declared-service.js';
import type { Registry } from '../subscription/registry/registry.js';
import { targetName } from '../subscription/record/target.js';
import { log } from '../log-events.js';

/** The checked arguments of `subscribe()`. Undefined `overrides` or `metadata` keep those of an earlier call. */
export interface CheckedSubscribeOptions {
  readonly target: SubscriptionTarget;
  readonly overrides: SubscriptionOverrides | undefined;
  readonly metadata: SubscriptionMetadata | undefined;
}

/** Decides which subscriptions should exist: one for each service and target, declared or from `subscribe()`. */
export class DesiredSubscriptions {
  readonly #context: ReconcileContext;
  readonly #registry: Registry;
  readonly #reconciliation: Reconciliation;
  /** Ids of subscriptions that `subscribe()` was called for in this process. */
  readonly #subscribeCalledIds = new Set<string>();

  constructor(context: ReconcileContext, registry: Registry, { pruneDeclared }: Pick<Reconciliation, 'pruneDeclared'>) {
    this.#context = context;
    this.#registry = registry;
    const isSubscribeCalled = (id: string): boolean => this.#subscribeCalledIds.has(id);
    this.#reconciliation = { registry, pruneDeclared, isSubscribeCalled };
  }

  /**
   * Creates missing declared subscriptions. Requests wanted ones that are not in progress. Unsubscribes duplicates and
   * pruned ones.
   */
  async reconcile(configs: readonly DeclaredService[]): Promise<void> {
    const { logger, services, closing } = this.#context;
    const registry = this.#registry;
    const declared = new Set<string>();
    for (const { id, service, target } of registry.duplicates) {
      if (closing.isStopping || this.#subscribeCalledIds.has(id) || services.configOf(service) === undefined) continue;
      log(logger, 'declared.duplicate', { subscription: id, service, detail: targetName(target) });
      await registry.apply(id, { type: 'unwanted', why: 'pruned' });
    }
    for (const config of configs)
      await this.#withServiceLock(config.name, () => addDeclared(this.#context, registry, config, declared));
    if (!closing.isStopping) await reconcileStored(this.#context, this.#reconciliation, declared);
  }

  /**
   * Adds a subscription. If the service already has one to the target, retries it with the new options.
   *
   * @returns the subscription's id
   * @throws ConfigurationError if the runtime does not run the service, if its callback cannot serve a second
   * subscription, or if its options do not allow the target
   */
  async subscribe(service: string, { target, overrides, metadata }: CheckedSubscribeOptions): Promise<string> {
    const { services } = this.#context;
    const registry = this.#registry;
    const config = services.configOf(service);
    if (config === undefined) throw serviceNotRunning(service);
    services.checkTarget(service, target);
    // One call at a time per service: two calls with the same target must find the same subscription.
    return this.#withServiceLock(service, async () => {
      const existingId = registry.idOf({ service, target });
      this.#refuseSharedCallback(config, existingId);
      if (existingId !== undefined) {
        this.#subscribeCalledIds.add(existingId);
        const { declared = false, orphaned } = registry.get(existingId)?.record ?? {};
        if (orphaned === true) await registry.setDeclared(existingId, declared);
        await registry.apply(existingId, { type: 'retried', overrides, metadata });
        return existingId;
      }
      const fields = { service, target, declared: false, overrides, ...(metadata && { metadata }) };
      const { id } = (await registry.create(fields)).record;
      this.#subscribeCalledIds.add(id);
      await registry.apply(id, { type: 'wanted' });
      return id;
    });
  }

  /**
   * Ends a subscription, even if its service does not run.
   *
   * @throws WebSubError if there is no such subscription
   */
  async unsubscribe(id: string): Promise<void> {
    await this.#registry.apply(id, { type: 'unwanted', why: 'unsubscribed' });
  }

  /**
   * @returns the subscription's id
   * @throws WebSubError if the service has no subscription to the target
   */
  async unsubscribeFrom(service: string, target: SubscriptionTarget): Promise<string> {
    // Runs after an earlier call of subscribe().
    return this.#withServiceLock(service, async () => {
      const id = this.#registry.idOf({ service, target });
      if (id === undefined) throw noSubscriptionTo(service, target);
      await this.unsubscribe(id);
      return id;
    });
  }

  /**
   * Retries one subscription. Without an id, retries all wanted ones that are stopped, failing or denied.
   *
   * @throws WebSubError if there is no such subscription, or its service does not run
   * @throws ConfigurationError if its literal callback now serves another subscription
   */
  async retry(id: string | undefined): Promise<void> {
    const registry = this.#registry;
    if (id === undefined) {
      await forEachSubscription(this.#context, registry, (record) =>
        isStuck(record) ? registry.apply(record.id, { type: 'retried' }) : undefined,
      );
      return;
    }
    const { record, config } = this.#require(id);
    await this.#withServiceLock(record.service, async () => {
      this.#refuseSharedCallback(config, id);
      await registry.apply(id, { type: 'retried', isImmediate: true });
    });
  }

  /** @throws WebSubError if the subscription does not exist, is stopped or not active, or its service does not run */
  async renew(id: string): Promise<void> {
    const { record } = this.#require(id);
    if (stateOf(record) !== 'active' || !isEnabled(record)) throw notRenewable(id, statusOf(record));
    await this.#registry.apply(id, { type: 'renewal-wanted' });
  }

  /**
   * @throws WebSubError if there is no such subscription, it is not active, it is stopped, or its service does not run
   * @throws ConfigurationError if its secret or callback cannot be rotated
   */
  async rotate(id: string, part: 'secret' | 'callback'): Promise<void> {
    const { record, config } = this.#require(id);
    const problem =
      part === 'secret'
        ? secretRotationProblem({ secret: record.overrides?.secret ?? config.secret })
        : callbackRotationProblem(config);
    if (problem !== undefined) throw rotationRefused(id, config.name, problem);
    if (stateOf(record) !== 'active' || !isEnabled(record)) throw notRotatable(id, statusOf(record), part);
    if (
      part === 'secret' &&
      !record.grants.some((grant) => isWorking(grant) && latestSecret(grant.secrets) !== undefined)
    ) {
      throw noSecretToRotate(id, config.name);
    }
    await this.#registry.apply(id, { type: 'rotation-wanted', rotate: part });
  }

  /**
   * Resets the failure counters of one subscription, or without an id of all that have failures.
   *
   * @throws WebSubError if there is no such subscription, or its service does not run
   */
  async resetCounters(id: string | undefined): Promise<void> {
    const registry = this.#registry;
    if (id !== undefined) {
      this.#require(id);
      await registry.apply(id, { type: 'counters-reset' });
      return;
    }
    await forEachSubscription(this.#context, registry, (record) =>
      hasFailures(record) ? registry.apply(record.id, { type: 'counters-reset' }) : undefined,
    );
  }

  /** @throws ConfigurationError if the service's callback is literal and serves another wanted subscription */
  #refuseSharedCallback(config: DeclaredService, id: string | undefined): void {
    if (!isLiteralCallback(config)) return;
    for (const { record } of this.#registry.all()) {
      if (record.service !== config.name || record.desired !== 'subscribed' || record.id === id) continue;
      throw callbackInUse(config.name, record.target);
    }
  }

  #withServiceLock<T>(service: string, work: () => Promise<T>): Promise<T> {
    return this.#context.engine.runExclusive(`subscriptions of ${service}`, work);
  }

  #require(id: string): { readonly record: SubscriptionRecord; readonly config: DeclaredService } {
    const stored = this.#registry.get(id);
    if (stored === undefined) throw noSubscription(id);
    const { record } = stored;
    const config = this.#context.services.configOf(record.service);
    if (config === undefined) throw subscriptionNotRunning(id, record.service);
    return { record, config };
  }
}

/** The state for an error. An active subscription may be stopped, and then has no requests. */
function statusOf(record: SubscriptionRecord): string {
  const state = stateOf(record);
  return state === 'active' && record.stoppedBecause !== undefined ? `stopped (${record.stoppedBecause})` : state;
}

/** Whether a wanted subscription is stopped, failing or denied. */
function isStuck(record: SubscriptionRecord): boolean {
  const { desired, stoppedBecause, attempts } = record;
  return desired === 'subscribed' && (stoppedBecause !== undefined || attempts > 0 || stateOf(record) === 'denied');
}

function hasGrantFailure({ attempts, refusals = 0, notBefore }: GrantRecord): boolean {
  return attempts + refusals > 0 || notBefore !== undefined;
}

/** Whether any failure is counted, or delays a request. */
function hasFailures({ attempts, failures, stoppedBecause, passedOver, grants }: SubscriptionRecord): boolean {
  const isCounted = attempts > 0 || failures !== undefined || passedOver.length > 0 || stoppedBecause === 'gave-up';
  return isCounted || grants.some(hasGrantFailure);
}
