import { reservedUntil, canYieldCallback } from './callback-reservation.js';
import { callbackKey, isCallbackToken } from './callback-key.js';
import type { Counters } from '../record/counters.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import { isOver } from '../machine/state.js';

/** A subscription in the registry. */
export interface StoredSubscription {
  /** Immutable; every change replaces it. */
  record: SubscriptionRecord;
  readonly counters: Counters;
  /** The keys of its callbacks. */
  keys: readonly string[];
}

/** The grant that a callback belongs to, and its subscription. */
export interface CallbackMatch {
  readonly stored: StoredSubscription;
  readonly grant: GrantRecord;
}

/** Finds grants by the keys of their callbacks. Also knows the keys of new grants that are not stored yet. */
export class CallbackIndex {
  readonly #byKey = new Map<string, { readonly stored: StoredSubscription; readonly grantId: string }>();
  readonly #reserved = new Set<string>();

  match(key: string): CallbackMatch | undefined {
    const indexed = this.#byKey.get(key);
    if (indexed === undefined) return undefined;
    const { stored, grantId } = indexed;
    const grant = stored.record.grants.find(({ id }) => id === grantId);
    return grant === undefined ? undefined : { stored, grant };
  }

  /** Whether a key is in use or reserved, so that no other grant may get it. */
  isTaken(key: string): boolean {
    return this.#byKey.has(key) || this.#reserved.has(key);
  }

  /** Reserves keys of new grants while these are being stored. The callbacks do not answer yet. */
  async reserveWhile(keys: readonly string[], work: () => Promise<void>): Promise<void> {
    for (const key of keys) this.#reserved.add(key);
    try {
      await work();
    } finally {
      for (const key of keys) this.#reserved.delete(key);
    }
  }

  /**
   * Until when another subscription of the same service reserves a callback. Subscriptions of other services reserve
   * nothing: their service may no longer exist, and nothing else would end them.
   *
   * @returns epoch milliseconds; undefined if the callback is free
   */
  reservedUntil(key: string, stored: StoredSubscription, now: number): number | undefined {
    const match = this.match(key);
    if (match === undefined || match.stored === stored) return undefined;
    return match.stored.record.service === stored.record.service ? reservedUntil(match.grant, now) : undefined;
  }

  /** Updates the index after a change of a subscription's grants. */
  update(stored: StoredSubscription, now: number): void {
    const { record } = stored;
    const grants = new Set(record.grants.map(({ id }) => id));
    for (const key of stored.keys) {
      const indexed = this.#byKey.get(key);
      if (indexed?.stored === stored && !grants.has(indexed.grantId)) this.#byKey.delete(key);
    }
    stored.keys = record.grants.map((grant) => {
      const key = keyOf(grant);
      // A fixed callback may belong to another subscription's grant, now or in the past.
      const isReserved = this.reservedUntil(key, stored, now) !== undefined;
      if (!isReserved && !(canYieldCallback(grant) && this.#servesAnother(key, stored))) {
        this.#byKey.set(key, { stored, grantId: grant.id });
      }
      return key;
    });
  }

  #servesAnother(key: string, stored: StoredSubscription): boolean {
    const match = this.match(key);
    return match !== undefined && match.stored !== stored && !isOver(match.grant);
  }
}

/** The key of a grant's callback. A token path is the key itself, so its callback URL need not be parsed. */
function keyOf({ path, callback }: GrantRecord): string {
  return isCallbackToken(path) ? path : callbackKey(callback);
}
