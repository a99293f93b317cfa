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

  idOf({ service, target }: ServiceTarget): string | undefined {
    const { hub, name } = targetKey(target);
    return this.#ids.get(service)?.get(hub)?.get(name);
  }

  set({ service, target, id }: Pick<SubscriptionRecord, 'service' | 'target' | 'id'>): void {
    const { hub, name } = targetKey(target);
    const idsByHub = this.#ids.get(service) ?? new Map<string, Map<string, string>>();
    const idsByName = idsByHub.get(hub) ?? new Map<string, string>();
    this.#ids.set(service, idsByHub.set(hub, idsByName.set(name, id)));
  }

  /** Frees the target of a subscription, unless another subscription has it. */
  delete({ service, target, id }: Pick<SubscriptionRecord, 'service' | 'target' | 'id'>): void {
    if (this.idOf({ service, target }) !== id) return;
    const { hub, name } = targetKey(target);
    const idsByHub = this.#ids.get(service);
    const idsByName = idsByHub?.get(hub);
    idsByName?.delete(name);
    if (idsByName?.size === 0) idsByHub?.delete(hub);
    if (idsByHub?.size === 0) this.#ids.delete(service);
  }
}
