import { randomUUID } from 'node:crypto';
import { slices } from '../engine/slices.js';
import { newSubscription, type NewSubscription, type SubscriptionRecord } from '../subscription/record/record.js';
import type { Registry } from '../subscription/registry/registry.js';
import type { SubscriptionTarget } from '../subscription/record/snapshot.js';
import { targetKey } from '../subscription/record/target.js';

/** What makes a subscription: the rest of it follows. */
export type NewSubscriptionFields = Omit<NewSubscription, 'id' | 'createdAt'>;

/** Which subscription a service has for a target: one for each. */
export class TargetIndex {
  readonly #registry: Registry;
  readonly #now: () => number;
  /** By service, hub where it is given, and topic or URL: with a hundred thousand of them, keys of their own would add up. */
  readonly #ids = new Map<string, Map<string, Map<string, string>>>();

  /** @param now epoch milliseconds */
  constructor(registry: Registry, now: () => number) {
    this.#registry = registry;
    this.#now = now;
  }

  /**
   * Takes in what the registry has read from the store. Of two for one target the older one is it: the other was made while
   * that could not be read.
   *
   * @returns the others
   */
  async load(): Promise<readonly SubscriptionRecord[]> {
    const duplicates: SubscriptionRecord[] = [];
    for await (const slice of slices(this.#registry.all())) {
      for (const { record } of slice) {
        const known = this.idOf(record.service, record.target);
        const other = known === undefined ? undefined : this.#registry.get(known)?.record;
        const isOlder = other === undefined || record.createdAt < other.createdAt;
        if (isOlder) this.#index(record.service, record.target, record.id);
        if (other !== undefined) duplicates.push(isOlder ? other : record);
      }
    }
    return duplicates;
  }

  /** The id of what is stored for a target; what was swept away is not there any more. */
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
  async add(wanted: NewSubscriptionFields): Promise<string> {
    const id = randomUUID();
    await this.#registry.add(newSubscription({ ...wanted, id, createdAt: this.#now() }));
    this.#index(wanted.service, wanted.target, id);
    return id;
  }

  #index(service: string, target: SubscriptionTarget, id: string): void {
    const { hub, name } = targetKey(target);
    const ofService = this.#ids.get(service) ?? new Map<string, Map<string, string>>();
    const atHub = ofService.get(hub) ?? new Map<string, string>();
    this.#ids.set(service, ofService.set(hub, atHub.set(name, id)));
  }
}
