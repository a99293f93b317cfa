import type { SubscriptionRecord } from '../../subscription/record/record.js';
import type { Registry } from '../../subscription/registry/registry.js';

/**
 * The subscriptions of which something is waited for. When something happens to one, that one alone is looked at again:
 * looking at all of them for each would take the square of their number.
 */
export class Outstanding {
  readonly #registry: Registry;
  readonly #isWaitedFor: (record: SubscriptionRecord) => boolean;
  readonly #ids = new Set<string>();

  constructor(registry: Registry, isWaitedFor: (record: SubscriptionRecord) => boolean) {
    this.#registry = registry;
    this.#isWaitedFor = isWaitedFor;
  }

  /** Whether none is left, of those that were looked at. */
  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  /** Looks at all of them, and returns those that are waited for. */
  lookAtAll(): readonly SubscriptionRecord[] {
    this.#ids.clear();
    const found: SubscriptionRecord[] = [];
    for (const { record } of this.#registry.entries()) {
      if (!this.#isWaitedFor(record)) continue;
      this.#ids.add(record.id);
      found.push(record);
    }
    return found;
  }

  /** Looks at one again, and returns it where it is waited for. */
  lookAt(id: string): SubscriptionRecord | undefined {
    const record = this.#registry.get(id)?.record;
    if (record !== undefined && this.#isWaitedFor(record)) {
      this.#ids.add(id);
      return record;
    }
    this.#ids.delete(id);
    return undefined;
  }
}
