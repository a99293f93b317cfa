import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { SubscriptionEvent } from '../../subscription/machine/events.js';
import type { Entry } from '../../subscription/registry/registry.js';
import type { Delivery } from '../delivery.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { MarkedTopics } from '../crash-guard/topic-crash-guard.js';
import type { SeenNews } from '../dedupe/processed-log.js';
import type { TopicReader } from './topic-reader.js';

/** What making up for gaps, and polling, work with. */
export interface FetchingOptions {
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly reader: Pick<TopicReader, 'read'>;
  readonly seen: Pick<
    SeenNews,
    'isMissing' | 'isMissingOrOld' | 'isUnknown' | 'isUncertain' | 'isFull' | 'touch' | 'foundOld'
  >;
  readonly delivery: Pick<Delivery, 'offer' | 'inTurn'>;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
  readonly entryOf: (subscriptionId: string) => Entry | undefined;
  readonly apply: (subscriptionId: string, event: SubscriptionEvent) => Promise<unknown>;
  /** Begins a piece of work in the background, when what is under way for that key has ended. */
  readonly begin: (key: string, work: () => Promise<void>, failed: string) => void;
  readonly marked: Pick<MarkedTopics, 'run'>;
  /** Whether the runtime stops: nothing is begun any more. */
  readonly isClosing: () => boolean;
}
