import { reservedUntil, canYieldCallback } from './callback-reservation.js';
import { callbackKey, isCallbackToken } from './callback-key.js';
import type { Counters } from '../record/counters.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import { isOver } from '../machine/state.js';

/** A subscription as the registry holds it: its record, which is replaced and never changed, and its counters. */
export interface StoredSubscription {
  record: SubscriptionRecord;
  readonly counters: Counters;
  /** The callback keys it is found by. */
  keys: readonly string[];
}

/** What a callback path stands for. */
export interface CallbackMatch {
  readonly stored: StoredSubscription;
  readonly grant: GrantRecord;
}

/** The grants by the keys of their callbacks, and the keys that are given to grants not yet stored. */
export class CallbackIndex {
  readonly #byKey = new Map<string, { readonly entry: StoredSubscription; readonly grantId: string }>();
  readonly #reserved = new Set<string>();

  match(key: string): CallbackMatch | undefined {
    const known = this.#byKey.get(key);
    if (known === undefined) return undefined;
    const grant = known.entry.record.grants.find(({ id }) => id === known.grantId);
    return grant === undefined ? undefined : { stored: known.entry, grant };
  }

  /** Whether a key is not to be given to another grant. */
  isTaken(key: string): boolean {
    return this.#byKey.has(key) || this.#reserved.has(key);
  }

  /** Keeps keys for grants while these are being stored; nothing answers there yet. */
  async reserveWhile(keys: readonly string[], work: () => Promise<void>): Promise<void> {
    for (const key of keys) this.#reserved.add(key);
    try {
      await work();
    } finally {
      for (const key of keys) this.#reserved.delete(key);
    }
  }

  /**
   * Until when another subscription of the same service keeps a callback. What other services left behind keeps nothing:
   * nobody would end it.
   */
  reservedUntil(key: string, stored: StoredSubscription, now: number): number | undefined {
    const match = this.match(key);
    if (match === undefined || match.stored === stored) return undefined;
    return match.stored.record.service === stored.record.service ? reservedUntil(match.grant, now) : undefined;
  }

  /** Takes in what has become of an entry's grants. */
  update(stored: StoredSubscription, now: number): void {
    const { record } = stored;
    const grants = new Set(record.grants.map(({ id }) => id));
    for (const key of stored.keys) {
      const known = this.#byKey.get(key);
      if (known?.entry === stored && !grants.has(known.grantId)) this.#byKey.delete(key);
    }
    stored.keys = record.grants.map((grant) => {
      const key = keyOf(grant);
      // A callback that the configuration fixes may have served another subscription before, or serve it still.
      const isReserved = this.reservedUntil(key, stored, now) !== undefined;
      if (!isReserved && !(canYieldCallback(grant) && this.#servesAnother(key, stored))) {
        this.#byKey.set(key, { entry: stored, grantId: grant.id });
      }
      return key;
    });
  }

  #servesAnother(key: string, stored: StoredSubscription): boolean {
    const match = this.match(key);
    return match !== undefined && match.stored !== stored && !isOver(match.grant);
  }
}

/** A token is what its callback ends in; anything else has to be looked at. */
function keyOf({ path, callback }: GrantRecord): string {
  return isCallbackToken(path) ? path : callbackKey(callback);
}
