import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { Effect } from '../machine/events.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { RequestPolicy } from '../request-policy.js';

/** What the registry works with. */
export interface RegistryOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Undefined for a service that the code no longer has: its subscriptions are kept and left alone. */
  readonly requestPolicyOf: (service: string) => RequestPolicy | undefined;
  /** Carries out what a transition asks for, after the record was stored. Does not throw. */
  readonly perform: (record: SubscriptionRecord, effect: Effect) => void;
}
