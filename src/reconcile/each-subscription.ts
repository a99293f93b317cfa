import type { EngineContext } from '../engine/engine-context.js';
import { slices } from '../engine/slices.js';
import type { SubscriptionRecord } from '../subscription/record/record.js';
import type { Registry } from '../subscription/registry/registry.js';

/**
 * Runs `work` over all subscriptions in slices, yielding to the event loop between them. `work` returns undefined for a
 * subscription with nothing to do. No slice starts once the runtime stops.
 *
 * @throws the first rejection of `work`, after its slice has ended; later slices do not run
 */
export async function forEachSubscription(
  { closing }: Pick<EngineContext, 'closing'>,
  registry: Registry,
  work: (record: SubscriptionRecord) => Promise<unknown> | undefined,
): Promise<void> {
  for await (const slice of slices(registry.all())) {
    if (closing.isStopping) return;
    const results = await Promise.allSettled(slice.flatMap(({ record }) => work(record) ?? []));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}
