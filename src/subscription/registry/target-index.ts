import type { SubscriptionRecord } from '../record/record.js';
import type { SubscriptionTarget } from '../record/snapshot.js';
import { targetKey } from '../record/target.js';

/** The service and target that identify a subscription. */
export interface ServiceTarget {
  readonly service: string;
  readonly target: SubscriptionTarget;
}

/**
 * Finds a service's subscription by its target. A service has at most one for each target.
 *
 * The index is made from the records, so the two cannot disagree after a crash.
 */
export class TargetIndex {
  /**
   * Ids by service, hub (empty if discovered), and topic or URL. Nested maps avoid a combined key string for each of
   * 100,000 subscriptions.
   */
  readonly #ids = new Map<string, Map<string, Map<string, string>>>();
  readonly #subscriptions: ReadonlyMap<string, { readonly record: SubscriptionRecord }>;
  readonly #duplicates: SubscriptionRecord[] = [];

  constructor(subscriptions: ReadonlyMap<string, { readonly record: SubscriptionRecord }>) {
    this.#subscriptions = subscriptions;
  }

  /**
   * Younger subscriptions with the same service and target as another one. Each was created while the record of the
   * older one could not be read.
   */
  get duplicates(): readonly SubscriptionRecord[] {
    return this.#duplicates;
  }

  idOf({ service, target }: ServiceTarget): string | undefined {
    const { hub, name } = targetKey(target);
    return this.#ids.get(service)?.get(hub)?.get(name);
  }

  /** Adds a subscription. Of two subscriptions to one target, the older one counts. */
  add(record: SubscriptionRecord): void {
    const other = this.#subscriptions.get(this.idOf(record) ?? '')?.record;
    const isOlder = other === undefined || record.createdAt < other.createdAt;
    if (isOlder) this.#set(record);
    if (other !== undefined) this.#duplicates.push(isOlder ? other : record);
  }

  #set({ service, target, id }: SubscriptionRecord): void {
    const { hub, name } = targetKey(target);
    const idsByHub = this.#ids.get(service) ?? new Map<string, Map<string, string>>();
    const idsByName = idsByHub.get(hub) ?? new Map<string, string>();
    this.#ids.set(service, idsByHub.set(hub, idsByName.set(name, id)));
  }

  /** Frees the target of a subscription, unless another subscription has it. */
  delete({ service, target, id }: SubscriptionRecord): void {
    if (this.idOf({ service, target }) !== id) return;
    const { hub, name } = targetKey(target);
    const idsByHub = this.#ids.get(service);
    const idsByName = idsByHub?.get(hub);
    idsByName?.delete(name);
    if (idsByName?.size === 0) idsByHub?.delete(hub);
    if (idsByHub?.size === 0) this.#ids.delete(service);
  }
}
