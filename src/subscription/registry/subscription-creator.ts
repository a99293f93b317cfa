import { randomUUID } from 'node:crypto';
import type { EngineContext } from '../../engine/engine-context.js';
import { newSubscription, type NewSubscription, type SubscriptionRecord } from '../record/record.js';
import { targetKey } from '../record/target.js';

/** The fields of a new subscription that the caller decides. */
export type NewSubscriptionFields = Omit<NewSubscription, 'id' | 'createdAt'>;

/** The result of a creation. */
export interface CreatedSubscription {
  readonly record: SubscriptionRecord;
  /** False if the service had a subscription to the target already. */
  readonly isCreated: boolean;
}

/** The subscriptions that exist, and where to add one. */
export interface ExistingSubscriptions {
  /** The service's subscription to the target. */
  find(fields: NewSubscriptionFields): SubscriptionRecord | undefined;
  /** Stores a new subscription. `find` finds it from then on. */
  add(record: SubscriptionRecord): Promise<void>;
}

/** Creates subscriptions, one for each service and target, however many callers create it at the same time. */
export class SubscriptionCreator {
  readonly #context: EngineContext;
  readonly #subscriptions: ExistingSubscriptions;
  /** Writes of new subscriptions, by service and target. */
  readonly #writes = new Map<string, Promise<unknown>>();

  constructor(context: EngineContext, subscriptions: ExistingSubscriptions) {
    this.#context = context;
    this.#subscriptions = subscriptions;
  }

  /**
   * Returns the service's subscription to the target. If there is none, creates one under a random id.
   *
   * @throws StoreError if the store fails; the target is free then
   */
  async create(fields: NewSubscriptionFields): Promise<CreatedSubscription> {
    const { hub, name } = targetKey(fields.target);
    const key = JSON.stringify([fields.service, hub, name]);
    for (let write = this.#writes.get(key); write !== undefined; write = this.#writes.get(key)) {
      // If that write fails, this caller creates the subscription.
      await Promise.allSettled([write]);
    }
    const existing = this.#subscriptions.find(fields);
    if (existing !== undefined) return { record: existing, isCreated: false };
    const record = newSubscription({ ...fields, id: randomUUID(), createdAt: this.#context.now() });
    const write = this.#subscriptions.add(record);
    this.#writes.set(key, write);
    try {
      await write;
    } finally {
      this.#writes.delete(key);
    }
    return { record, isCreated: true };
  }
}
