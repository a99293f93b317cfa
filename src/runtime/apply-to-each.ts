import { slices } from '../engine/slices.js';
import type { SubscriptionEvent } from '../subscription/events.js';
import type { SubscriptionRecord } from '../subscription/record.js';
import type { Registry } from '../subscription/registry.js';

/** How all subscriptions are gone through. */
export interface ApplyToEachOptions {
  readonly registry: Registry;
  /** Ends it early. */
  readonly isClosing: () => boolean;
  /** Told of each event that could not be applied. @default the first of a slice ends it */
  readonly onFailure?: (id: string, error: unknown) => void;
}

/**
 * Applies an event to each subscription that one is chosen for. The others cost a look, and callbacks are answered meanwhile,
 * however many there are.
 *
 * @throws StoreError where an event could not be applied, unless `onFailure` is told
 */
export async function applyToEach(
  { registry, isClosing, onFailure }: ApplyToEachOptions,
  choose: (record: SubscriptionRecord) => SubscriptionEvent | undefined,
): Promise<void> {
  const apply = async (id: string, event: SubscriptionEvent): Promise<void> => {
    try {
      await registry.apply(id, event);
    } catch (error) {
      if (onFailure === undefined) throw error;
      onFailure(id, error);
    }
  };
  for await (const slice of slices(registry.entries())) {
    if (isClosing()) return;
    const applied = await Promise.allSettled(
      slice.flatMap(({ record }) => {
        const event = choose(record);
        return event === undefined ? [] : apply(record.id, event);
      }),
    );
    const failure = applied.find((each) => each.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}
