import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';

/**
 * The subscriptions that a caller waits for. A hook about one subscription rechecks only that subscription. Rechecking
 * all of them each time would take quadratic time.
 */
export class AwaitedSubscriptions {
  readonly #registry: Registry;
  readonly #isAwaited: (record: SubscriptionRecord) => boolean;
  readonly #ids = new Set<string>();

  constructor(registry: Registry, isAwaited: (record: SubscriptionRecord) => boolean) {
    this.#registry = registry;
    this.#isAwaited = isAwaited;
  }

  /** Whether no awaited subscription is left, as of the last checks. */
  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /** Checks all subscriptions, and returns the awaited ones. */
  recheckAll(): readonly SubscriptionRecord[] {
    this.#ids.clear();
    const awaited: SubscriptionRecord[] = [];
    for (const { record } of this.#registry.all()) {
      if (!this.#isAwaited(record)) continue;
      this.#ids.add(record.id);
      awaited.push(record);
    }
    return awaited;
  }

  /** Checks one subscription again, and returns it if it is awaited. */
  recheck(id: string): SubscriptionRecord | undefined {
    const record = this.#registry.get(id)?.record;
    if (record !== undefined && this.#isAwaited(record)) {
      this.#ids.add(id);
      return record;
    }
    this.#ids.delete(id);
    return undefined;
  }
}
