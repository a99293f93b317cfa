import { slices } from '../engine/slices.js';
import type { SubscriptionRecord } from '../subscription/record/record.js';
import type { Registry } from '../subscription/registry/registry.js';

/** How all subscriptions are gone through. */
export interface EachSubscriptionOptions {
  readonly registry: Registry;
  /** Ends it early. */
  readonly isClosing: () => boolean;
}

/**
 * Goes through all subscriptions and does what is to be done about each, if anything: the others cost a look, and
 * callbacks are answered meanwhile, however many there are.
 *
 * @throws what the work rejected with, of the first slice in which some did
 */
export async function forEachSubscription(
  { registry, isClosing }: EachSubscriptionOptions,
  work: (record: SubscriptionRecord) => Promise<unknown> | undefined,
): Promise<void> {
  for await (const slice of slices(registry.all())) {
    if (isClosing()) return;
    const done = await Promise.allSettled(slice.flatMap(({ record }) => work(record) ?? []));
    const failure = done.find((each) => each.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}
