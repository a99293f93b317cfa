import type { Logger } from '../logger.js';
import type { DeliveryAnswer } from './delivery-answer.js';
import type { DeliveryTarget } from './delivery-target.js';
import type { Reception } from './report.js';
import { digestsOf } from './sameness.js';
import type { SeenNews } from './seen-news.js';

/** What handing over once works with. */
export interface OnceOnlyOptions {
  readonly seen: Pick<SeenNews, 'answerTo' | 'handing' | 'waits' | 'handled' | 'givenUp'>;
  readonly logger: Logger;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
}

/** Keeps what was handed over from being handed over again, for the services that want that (`delivery.dedupe`). */
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
    const digests = await digestsOf(delivery.dedupe, entry.record.id, event);
    if (digests.length === 0) return hand();
    const known = seen.answerTo(digests, delivery.dedupeWindowSeconds * 1000);
    if (known === undefined) return seen.handing(digests, Promise.resolve(hand()));
    logger.debug({ subscription: entry.record.id, event: event.id }, 'what came was handed over before');
    return known;
  }

  /** The handler has succeeded. Never rejects. */
  async handled(reception: Reception): Promise<void> {
    if (this.#isWanted(reception)) await this.#options.seen.handled(await this.#digestsOf(reception));
  }

  /** A previous process left it to be tried again. */
  async found(reception: Reception): Promise<void> {
    if (this.#isWanted(reception)) this.#options.seen.waits(await this.#digestsOf(reception));
  }

  /** It is not tried again. */
  async givenUp(reception: Reception): Promise<void> {
    if (this.#isWanted(reception)) this.#options.seen.givenUp(await this.#digestsOf(reception));
  }

  #isWanted(reception: Reception): boolean {
    return this.#dedupeOf(reception) !== false;
  }

  #dedupeOf({ entry }: Reception): DeliveryTarget['delivery']['dedupe'] {
    return this.#options.targetOf(entry.record.service)?.delivery.dedupe ?? false;
  }

  async #digestsOf(reception: Reception): Promise<readonly string[]> {
    return digestsOf(this.#dedupeOf(reception), reception.entry.record.id, reception.event);
  }
}
