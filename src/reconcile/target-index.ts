import { randomUUID } from 'node:crypto';
import { slices } from '../engine/slices.js';
import { newSubscription, type NewSubscription, type SubscriptionRecord } from '../subscription/record/record.js';
import type { Registry } from '../subscription/registry/registry.js';
import type { SubscriptionTarget } from '../subscription/record/snapshot.js';
import { targetKey } from '../subscription/record/target.js';

/** The fields of a new subscription that the caller decides. `TargetIndex` adds its id and time. */
export type NewSubscriptionFields = Omit<NewSubscription, 'id' | 'createdAt'>;

/** Finds a service's subscription for a target. A service has at most one for each target. */
export class TargetIndex {
  readonly #registry: Registry;
  readonly #now: () => number;
  /**
   * Ids by service, hub (empty if discovered), and topic or URL. Nested maps avoid a combined key string for each of
   * 100,000 subscriptions.
   */
  readonly #ids = new Map<string, Map<string, Map<string, string>>>();

  /** @param now epoch milliseconds */
  constructor(registry: Registry, now: () => number) {
    this.#registry = registry;
    this.#now = now;
  }

  /**
   * Indexes the subscriptions of the registry. If two have the same target, the older one counts. The younger one was
   * created while the older record could not be read.
   *
   * @returns the younger ones of such pairs
   */
  async load(): Promise<readonly SubscriptionRecord[]> {
    const duplicates: SubscriptionRecord[] = [];
    for await (const slice of slices(this.#registry.all())) {
      for (const { record } of slice) {
        const otherId = this.idOf(record.service, record.target);
        const other = otherId === undefined ? undefined : this.#registry.get(otherId)?.record;
        const isOlder = other === undefined || record.createdAt < other.createdAt;
        if (isOlder) this.#index(record.service, record.target, record.id);
        if (other !== undefined) duplicates.push(isOlder ? other : record);
      }
    }
    return duplicates;
  }

  /** The id of the subscription for a target. Undefined if there is none, or if it was swept. */
  idOf(service: string, target: SubscriptionTarget): string | undefined {
    const { hub, name } = targetKey(target);
    const id = this.#ids.get(service)?.get(hub)?.get(name);
    return id !== undefined && this.#registry.get(id) !== undefined ? id : undefined;
  }

  /**
   * Stores a new subscription.
   *
   * @returns its id
   */
  async add(fields: NewSubscriptionFields): Promise<string> {
    const id = randomUUID();
    await this.#registry.add(newSubscription({ ...fields, id, createdAt: this.#now() }));
    this.#index(fields.service, fields.target, id);
    return id;
  }

  #index(service: string, target: SubscriptionTarget, id: string): void {
    const { hub, name } = targetKey(target);
    const idsByHub = this.#ids.get(service) ?? new Map<string, Map<string, string>>();
    const idsByName = idsByHub.get(hub) ?? new Map<string, string>();
    this.#ids.set(service, idsByHub.set(hub, idsByName.set(name, id)));
  }
}
