import { heldUntil, makesWay } from './callback-reservation.js';
import { callbackKey, isCallbackToken } from './callback-key.js';
import type { Counters } from '../record/counters.js';
import type { GrantRecord, SubscriptionRecord } from '../record/record.js';
import { isOver } from '../machine/state.js';

/** A subscription as the registry holds it: its record, which is replaced and never changed, and its counters. */
export interface Entry {
  record: SubscriptionRecord;
  readonly counters: Counters;
  /** The callback keys it is found by. */
  keys: readonly string[];
}

/** What a callback path stands for. */
export interface CallbackMatch {
  readonly entry: Entry;
  readonly grant: GrantRecord;
}

/** The grants by the keys of their callbacks, and the keys that are given to grants not yet stored. */
export class CallbackIndex {
  readonly #byKey = new Map<string, { readonly entry: Entry; readonly grantId: string }>();
  readonly #reserved = new Set<string>();

  match(key: string): CallbackMatch | undefined {
    const known = this.#byKey.get(key);
    if (known === undefined) return undefined;
    const grant = known.entry.record.grants.find(({ id }) => id === known.grantId);
    return grant === undefined ? undefined : { entry: known.entry, grant };
  }

  /** Whether a key is not to be given to another grant. */
  isTaken(key: string): boolean {
    return this.#byKey.has(key) || this.#reserved.has(key);
  }

  /** Keeps keys for grants while these are being stored; nothing answers there yet. */
  async reserving(keys: readonly string[], work: () => Promise<void>): Promise<void> {
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
  heldUntil(key: string, entry: Entry, now: number): number | undefined {
    const match = this.match(key);
    if (match === undefined || match.entry === entry) return undefined;
    return match.entry.record.service === entry.record.service ? heldUntil(match.grant, now) : undefined;
  }

  /** Takes in what has become of an entry's grants. */
  update(entry: Entry, now: number): void {
    const { record } = entry;
    const grants = new Set(record.grants.map(({ id }) => id));
    for (const key of entry.keys) {
      const known = this.#byKey.get(key);
      if (known?.entry === entry && !grants.has(known.grantId)) this.#byKey.delete(key);
    }
    entry.keys = record.grants.map((grant) => {
      const key = keyOf(grant);
      // A callback that the configuration fixes may have served another subscription before, or serve it still.
      const isHeld = this.heldUntil(key, entry, now) !== undefined;
      if (!isHeld && !(makesWay(grant) && this.#servesAnother(key, entry))) {
        this.#byKey.set(key, { entry, grantId: grant.id });
      }
      return key;
    });
  }

  #servesAnother(key: string, entry: Entry): boolean {
    const match = this.match(key);
    return match !== undefined && match.entry !== entry && !isOver(match.grant);
  }
}

/** A token is what its callback ends in; anything else has to be looked at. */
function keyOf({ path, callback }: GrantRecord): string {
  return isCallbackToken(path) ? path : callbackKey(callback);
}
