import type { Engine } from '../../engine/engine.js';
import type { Logger } from '../../logger.js';
import type { RecordStore } from '../../store/record-store.js';
import type { NamedEffect } from '../machine/transition-types.js';
import type { SubscriptionRecord } from '../record/record.js';
import type { RequestPolicy } from '../request-policy.js';

/** Dependencies of the registry. */
export interface RegistryOptions {
  readonly store: RecordStore;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Undefined for a service that this runtime does not run. Its subscriptions stay stored, and can only be left. */
  readonly requestPolicyOf: (service: string) => RequestPolicy | undefined;
  /** The policy for leaving a subscription whose service does not run. */
  readonly leavingPolicy: () => RequestPolicy;
  /** Carries out an effect of a transition, after the record is stored. Does not throw. */
  readonly perform: (record: SubscriptionRecord, effect: NamedEffect) => void;
}
