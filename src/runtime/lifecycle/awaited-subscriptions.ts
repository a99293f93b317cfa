import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';

/**
 * The subscriptions of which something is waited for. When something happens to one, that one alone is looked at again:
 * looking at all of them for each would take the square of their number.
 */
export class AwaitedSubscriptions {
  readonly #registry: Registry;
  readonly #isAwaited: (record: SubscriptionRecord) => boolean;
  readonly #ids = new Set<string>();

  constructor(registry: Registry, isAwaited: (record: SubscriptionRecord) => boolean) {
    this.#registry = registry;
    this.#isAwaited = isAwaited;
  }

  /** Whether none is left, of those that were looked at. */
  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /** Looks at all of them, and returns those that are waited for. */
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

  /** Looks at one again, and returns it where it is waited for. */
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
