import type { EntryChange } from './event-entries.js';
import type { ContentDistributionMessage } from './message.js';
import { isWhole, type Piece } from './piece.js';

/** The oldest claim goes first beyond that: at worst, two copies of an entry are both `new`. */
const MOST_CLAIMS = 100_000;

/** An event; its id is drawn when it is first asked for. */
type Claimant = Pick<ContentDistributionMessage, 'id'>;

type ReadChange = Exclude<EntryChange, 'deleted'>;

/**
 * Entries that an event's handler has in hand, and has not succeeded with. The event whose entries are read first has them as
 * `new` or `updated`; a copy of an entry in another event is `unchanged` meanwhile.
 */
export class ClaimedEntries {
  /** Ids of events, by key and version of an entry. */
  readonly #owners = new Map<string, string>();
  /** The claims of each event. */
  readonly #claims = new Map<string, string[]>();

  /** Claims an entry for an event; `unchanged` where another event has it. */
  take(piece: Piece, change: ReadChange, eventId: string): ReadChange {
    if (change === 'unchanged') return change;
    const claim = claimOf(piece);
    const owner = this.#owners.get(claim);
    if (owner !== undefined) return owner === eventId ? change : 'unchanged';
    this.#owners.set(claim, eventId);
    const claims = this.#claims.get(eventId);
    if (claims === undefined) this.#claims.set(eventId, [claim]);
    else claims.push(claim);
    this.#forgetOldest();
    return change;
  }

  /** The pieces that no other event has claimed. */
  ownOf(pieces: readonly Piece[], event: Claimant): readonly Piece[] {
    if (this.#owners.size === 0) return pieces;
    return pieces.filter((piece) => isWhole(piece) || (this.#owners.get(claimOf(piece)) ?? event.id) === event.id);
  }

  /** The event is handled, or is not in hand any more: its entries are free for the next event that brings them. */
  release(event: Claimant): void {
    if (this.#claims.size > 0) this.#release(event.id);
  }

  #release(eventId: string): void {
    for (const claim of this.#claims.get(eventId) ?? []) {
      if (this.#owners.get(claim) === eventId) this.#owners.delete(claim);
    }
    this.#claims.delete(eventId);
  }

  #forgetOldest(): void {
    const [oldest] = this.#claims.keys();
    if (this.#owners.size > MOST_CLAIMS && oldest !== undefined) this.#release(oldest);
  }
}

function claimOf({ key, version }: Piece): string {
  return `${key} ${version}`;
}
