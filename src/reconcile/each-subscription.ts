import { slices } from '../engine/slices.js';
import type { SubscriptionRecord } from '../subscription/record/record.js';
import type { Registry } from '../subscription/registry/registry.js';

/** Dependencies of {@link forEachSubscription}. */
export interface EachSubscriptionOptions {
  readonly registry: Registry;
  /** Whether the runtime is stopping. Then no further slice is started. */
  readonly isStopping: () => boolean;
}

/**
 * Runs `work` over all subscriptions in slices, yielding to the event loop between them. `work` returns undefined for a
 * subscription with nothing to do.
 *
 * @throws the first rejection of `work`, after its slice has ended; later slices do not run
 */
export async function forEachSubscription(
  { registry, isStopping }: EachSubscriptionOptions,
  work: (record: SubscriptionRecord) => Promise<unknown> | undefined,
): Promise<void> {
  for await (const slice of slices(registry.all())) {
    if (isStopping()) return;
    const results = await Promise.allSettled(slice.flatMap(({ record }) => work(record) ?? []));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}
