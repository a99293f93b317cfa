import { forEachInSlices } from '../../engine/slices.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import type { EntryChange } from '../message/event-entries.js';
import type { ContentDistributionMessage } from '../message/message.js';
import { isBodyKey, type DedupeKey } from './dedupe-key.js';

/** The oldest claim goes first beyond that: at worst, two copies of an entry are both `new`. */
const MAX_CLAIMS = 100_000;

/** An event; its id is drawn when it is first asked for. */
type Claimant = Pick<ContentDistributionMessage, 'id'>;

type ReadChange = Exclude<EntryChange, 'deleted'>;

/** What an event has claimed, until it is released. */
interface Owner {
  readonly eventId: string;
  readonly claims: string[];
  isReleased: boolean;
}

/**
 * Entries that an event's handler has in hand, and has not succeeded with. The event whose entries are read first has them as
 * `new` or `updated`; a copy of an entry in another event is `unchanged` meanwhile.
 */
export class ClaimedEntries {
  /** By key and version of an entry. Those that are released are free, and are removed a little later. */
  readonly #claims = new Map<string, Owner>();
  /** By the id of the event. */
  readonly #owners = new Map<string, Owner>();
  /** Claims that are not released. */
  #activeClaims = 0;

  /** Claims an entry for an event; `unchanged` where another event has it. */
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
    this.#forgetOldest();
    return change;
  }

  /** The pieces that no other event has claimed. */
  claimableBy(dedupeKeys: readonly DedupeKey[], event: Claimant): Awaitable<readonly DedupeKey[]> {
    if (this.#activeClaims === 0) return dedupeKeys;
    const claimable: DedupeKey[] = [];
    const looking = forEachInSlices(dedupeKeys, (dedupeKey) => {
      const eventId = isBodyKey(dedupeKey) ? undefined : this.#ownerOf(claimOf(dedupeKey))?.eventId;
      if (eventId === undefined || eventId === event.id) claimable.push(dedupeKey);
    });
    return mapAwaitable(looking, () => claimable);
  }

  /** The event is handled, or is not in hand any more: its entries are free for the next event that brings them. */
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
      // It may be another's by now.
      if (this.#claims.get(claim) === owner) this.#claims.delete(claim);
    });
  }

  #ownerOf(claim: string): Owner | undefined {
    const owner = this.#claims.get(claim);
    return owner?.isReleased === false ? owner : undefined;
  }

  #forgetOldest(): void {
    if (this.#activeClaims <= MAX_CLAIMS) return;
    const [oldest] = this.#owners.values();
    this.#release(oldest);
  }
}

function claimOf({ key, version }: DedupeKey): string {
  return `${key} ${version}`;
}
