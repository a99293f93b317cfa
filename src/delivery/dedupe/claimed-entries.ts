import { forEachInSlices } from '../../engine/slices.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import type { EntryChange } from '../message/event-entries.js';
import type { ContentDistributionMessage } from '../message/message.js';
import { isBodyKey, type DedupeKey } from './dedupe-key.js';

/** Maximum number of claims. Above it, the oldest event loses its claims; at worst a duplicate counts as `new`. */
const MAX_CLAIMS = 100_000;

/** An event with its id. The first read of `id` generates it. */
type Claimant = Pick<ContentDistributionMessage, 'id'>;

type ReadChange = Exclude<EntryChange, 'deleted'>;

/** The claims of one event. */
interface Owner {
  readonly eventId: string;
  readonly claims: string[];
  isReleased: boolean;
}

/**
 * Entries that belong to an event whose handler has not succeeded yet. The first event that reads an entry gets it as
 * `new` or `updated`. A copy in another event is `unchanged` until the first event is released.
 */
export class ClaimedEntries {
  /** Owners by claim (key and version of an entry). Released claims count as free and are removed in the background. */
  readonly #claims = new Map<string, Owner>();
  /** By event id. */
  readonly #owners = new Map<string, Owner>();
  /** Number of claims not yet released. */
  #activeClaims = 0;

  /** Claims an entry for an event. Returns `unchanged` if another event holds the claim. */
  claim(dedupeKey: DedupeKey, change: ReadChange, eventId: string): ReadChange {
    if (change === 'unchanged') return change;
    const claim = claimOf(dedupeKey);
    const current = this.#ownerOf(claim);
    if (current !== undefined) return current.eventId === eventId ? change : 'unchanged';
    const owner = this.#owners.get(eventId) ?? { eventId, claims: [], isReleased: false };
    this.#owners.set(eventId, owner);
    owner.claims.push(claim);
    this.#claims.set(claim, owner);
    this.#activeClaims += 1;
    this.#releaseOldest();
    return change;
  }

  /** The keys that no other event has claimed. */
  claimableBy(dedupeKeys: readonly DedupeKey[], event: Claimant): Awaitable<readonly DedupeKey[]> {
    if (this.#activeClaims === 0) return dedupeKeys;
    const claimable: DedupeKey[] = [];
    const filtering = forEachInSlices(dedupeKeys, (dedupeKey) => {
      const eventId = isBodyKey(dedupeKey) ? undefined : this.#ownerOf(claimOf(dedupeKey))?.eventId;
      if (eventId === undefined || eventId === event.id) claimable.push(dedupeKey);
    });
    return mapAwaitable(filtering, () => claimable);
  }

  /** Frees the entries of an event for the next event that contains them. */
  release(event: Claimant): void {
    if (this.#activeClaims > 0) this.#release(this.#owners.get(event.id));
  }

  #release(owner: Owner | undefined): void {
    if (owner === undefined) return;
    const { eventId, claims } = owner;
    owner.isReleased = true;
    this.#owners.delete(eventId);
    this.#activeClaims -= claims.length;
    void forEachInSlices(claims, (claim) => {
      // Another event may own the claim by now.
      if (this.#claims.get(claim) === owner) this.#claims.delete(claim);
    });
  }

  #ownerOf(claim: string): Owner | undefined {
    const owner = this.#claims.get(claim);
    return owner?.isReleased === false ? owner : undefined;
  }

  #releaseOldest(): void {
    if (this.#activeClaims <= MAX_CLAIMS) return;
    const [oldest] = this.#owners.values();
    this.#release(oldest);
  }
}

function claimOf({ key, version }: DedupeKey): string {
  return `${key} ${version}`;
}
