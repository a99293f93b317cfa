import type { Logger } from '../logger.js';
import type { ClaimedEntries } from './claimed-entries.js';
import type { DeliveryAnswer } from './delivery-answer.js';
import type { DeliveryTarget } from './delivery-target.js';
import { closeEvent, readPiecesOf, type ContentDistributionMessage } from './message.js';
import type { StoredRun } from './inbox-options.js';
import type { Piece } from './piece.js';
import type { Reception } from './report.js';
import { decisive, isTracked, piecesOf } from './sameness.js';
import type { SeenNews } from './seen-news.js';

/** What handing over once works with. */
export interface OnceOnlyOptions {
  readonly seen: Pick<SeenNews, 'answerTo' | 'handing' | 'waits' | 'handled' | 'givenUp' | 'settled'>;
  readonly claimed: Pick<ClaimedEntries, 'ownOf' | 'release'>;
  readonly logger: Logger;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
}

/** Knows what was handed over, and keeps it from being handed over again where a service wants that (`delivery.dedupe`). */
export class OnceOnly {
  readonly #options: OnceOnlyOptions;

  constructor(options: OnceOnlyOptions) {
    this.#options = options;
  }

  /** Hands over what is news. What was handed over is acknowledged, and what is being handed over gets that answer. */
  async deliver(
    { delivery }: DeliveryTarget,
    reception: Reception,
    hand: () => DeliveryAnswer | Promise<DeliveryAnswer>,
  ): Promise<DeliveryAnswer> {
    const { seen, logger } = this.#options;
    const { entry, event } = reception;
    const pieces = piecesOf(delivery, event);
    const known = seen.answerTo(decisive(delivery, pieces), delivery.dedupeWindowSeconds * 1000);
    if (known === undefined) {
      const given = await seen.handing(this.#ownOf(reception, pieces), hand);
      return given.type === 'unavailable' ? this.unkept(reception, given) : given;
    }
    // What is dropped has no handler to claim entries for.
    this.#release(reception);
    logger.debug({ subscription: entry.record.id, event: event.id }, 'what came was handed over before');
    const answer = await known;
    if (answer.type === 'acknowledged') entry.counters.duplicate();
    return answer;
  }

  /** Whether a handler's success is to be noted: its service wants that, or it has compared entries with those before. */
  isNoting({ delivery }: DeliveryTarget, event: ContentDistributionMessage): boolean {
    return isTracked(delivery) || readPiecesOf(event) !== undefined;
  }

  /** What was fetched is in hand from now on. */
  async keep(reception: Reception, store: () => Promise<DeliveryAnswer>): Promise<DeliveryAnswer> {
    const pieces = this.#ownOf(reception, this.#trackedOf(reception) ?? []);
    const given = await this.#options.seen.handing(pieces, store);
    return given.type === 'unavailable' ? this.unkept(reception, given) : given;
  }

  /** The handler has ended: what it succeeded with is noted. After a failure, its entries stay claimed for the next try. */
  ended(reception: Reception, outcome: StoredRun['type']): void {
    if (outcome === 'done') {
      const pieces = [...(this.#trackedOf(reception) ?? []), ...(readPiecesOf(reception.event) ?? [])];
      const distinct = [...new Map(pieces.map((piece) => [piece.key, piece])).values()];
      this.#options.seen.handled(this.#ownOf(reception, distinct));
    }
    if (outcome === 'done' || outcome === 'deleted') this.#release(reception);
  }

  /** The event is not in the store, and its hub is to send it again: as another event, which has its entries then. */
  unkept(reception: Reception, answer: DeliveryAnswer): DeliveryAnswer {
    this.#release(reception);
    return answer;
  }

  /** A previous process left it to be tried again. */
  found(reception: Reception): void {
    this.#options.seen.waits(this.#ownOf(reception, this.#trackedOf(reception) ?? []));
  }

  /** It is not tried again. */
  givenUp(reception: Reception): void {
    closeEvent(reception.event);
    this.#options.seen.givenUp(this.#ownOf(reception, this.#trackedOf(reception) ?? []));
    this.#release(reception);
  }

  /** Resolves when all that was handed over is noted. */
  settled(): Promise<void> {
    return this.#options.seen.settled();
  }

  /** What another event has in hand is for that one to be noted. */
  #ownOf({ event }: Reception, pieces: readonly Piece[]): readonly Piece[] {
    return this.#options.claimed.ownOf(pieces, event);
  }

  #release({ event }: Reception): void {
    closeEvent(event);
    this.#options.claimed.release(event);
  }

  #trackedOf({ entry, event }: Reception): readonly Piece[] | undefined {
    const delivery = this.#options.targetOf(entry.record.service)?.delivery;
    return delivery !== undefined && isTracked(delivery) ? piecesOf(delivery, event) : undefined;
  }
}
