import type { Logger } from '../logger.js';
import type { DeliveryAnswer } from './delivery-answer.js';
import type { DeliveryTarget } from './delivery-target.js';
import { readPiecesOf, type ContentDistributionMessage } from './message.js';
import type { Piece } from './piece.js';
import type { Reception } from './report.js';
import { decisive, isTracked, piecesOf } from './sameness.js';
import type { SeenNews } from './seen-news.js';

/** What handing over once works with. */
export interface OnceOnlyOptions {
  readonly seen: Pick<SeenNews, 'answerTo' | 'handing' | 'waits' | 'handled' | 'givenUp' | 'settled'>;
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
    { entry, event }: Reception,
    hand: () => DeliveryAnswer | Promise<DeliveryAnswer>,
  ): Promise<DeliveryAnswer> {
    const { seen, logger } = this.#options;
    const pieces = piecesOf(delivery, event);
    const known = seen.answerTo(decisive(delivery, pieces), delivery.dedupeWindowSeconds * 1000);
    if (known === undefined) return seen.handing(pieces, hand);
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
  keep(reception: Reception, store: () => Promise<DeliveryAnswer>): Promise<DeliveryAnswer> {
    return this.#options.seen.handing(this.#trackedOf(reception) ?? [], store);
  }

  /** The handler has succeeded. */
  handled(reception: Reception): void {
    const pieces = [...(this.#trackedOf(reception) ?? []), ...(readPiecesOf(reception.event) ?? [])];
    this.#options.seen.handled([...new Map(pieces.map((piece) => [piece.key, piece])).values()]);
  }

  /** A previous process left it to be tried again. */
  found(reception: Reception): void {
    this.#options.seen.waits(this.#trackedOf(reception) ?? []);
  }

  /** It is not tried again. */
  givenUp(reception: Reception): void {
    this.#options.seen.givenUp(this.#trackedOf(reception) ?? []);
  }

  /** Resolves when all that was handed over is noted. */
  settled(): Promise<void> {
    return this.#options.seen.settled();
  }

  #trackedOf({ entry, event }: Reception): readonly Piece[] | undefined {
    const delivery = this.#options.targetOf(entry.record.service)?.delivery;
    return delivery !== undefined && isTracked(delivery) ? piecesOf(delivery, event) : undefined;
  }
}
