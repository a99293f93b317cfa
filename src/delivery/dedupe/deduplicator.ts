import { inSlices } from '../../engine/slices.js';
import { Turns } from '../../engine/keyed-mutex.js';
import type { Logger } from '../../logger.js';
import { after, type Awaitable } from '../message/awaitable.js';
import type { ClaimedEntries } from './claimed-entries.js';
import type { DeliveryAnswer } from '../delivery-answer.js';
import type { DeliveryTarget } from '../delivery-target.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { Held } from '../inbox/event-writer.js';
import { deliverParsed, type Handing } from './deliver-after-parsing.js';
import { closeEvent, readPiecesOf, type ContentDistributionMessage } from '../message/message.js';
import type { PendingAnswer } from './in-progress-keys.js';
import { Patience } from '../handler/ack-timeout.js';
import type { Piece } from './dedupe-key.js';
import type { Reception } from '../report.js';
import { decisive, entriesHad, isTracked, piecesOf } from './tracked-keys.js';
import type { KnownAnswer, SeenNews } from './processed-log.js';

/** Dependencies of handing over once. */
export interface OnceOnlyOptions {
  readonly seen: Pick<SeenNews, 'answerTo' | 'handing' | 'waits' | 'handled' | 'givenUp' | 'settled'>;
  readonly claimed: Pick<ClaimedEntries, 'ownOf' | 'release'>;
  readonly logger: Logger;
  readonly targetOf: (service: string) => DeliveryTarget | undefined;
}

/** More pieces are gone through in slices, which others of the subscription must not come between. */
const FEW = 500;

/** The turn of those that a previous process left and that have to be parsed: one at a time. */
const FOUND = 'found';

/** Knows what was handed over, and keeps it from being handed over again where a service wants that (`delivery.dedupe`). */
export class OnceOnly {
  readonly #options: OnceOnlyOptions;
  readonly #patience: Patience;
  /** By subscription: what has to be parsed, or takes long to go through, keeps its place before what comes later. */
  readonly #turns = new Turns();
  readonly #found = new Turns();
  readonly #noting = new Set<Promise<void>>();
  #isStopping = false;

  constructor(options: OnceOnlyOptions, patience = new Patience()) {
    this.#options = options;
    this.#patience = patience;
  }

  /** Hands over what is news. What was handed over is acknowledged, and what is being handed over gets that answer. */
  deliver(target: DeliveryTarget, reception: Reception, handing: Handing): Promise<DeliveryAnswer> {
    const pieces = piecesOf(target.delivery, reception.event);
    if (!(pieces instanceof Promise) && pieces.length <= FEW && !this.#turns.isTaken(reception.entry.record.id)) {
      reception.pieces = pieces;
      return this.#decide(target, reception, () => handing.hand());
    }
    return deliverParsed({ turns: this.#turns, patience: this.#patience }, reception, pieces, handing, {
      now: (hand, onBegun) => this.#decide(target, reception, hand, onBegun),
      held: (held) => this.#decideHeld(target, reception, held),
    });
  }

  /** Whether a handler's success is to be noted: its service wants that, or it has compared entries with those before. */
  isNoting({ delivery }: DeliveryTarget, event: ContentDistributionMessage): boolean {
    return isTracked(delivery) || readPiecesOf(event) !== undefined;
  }

  /** Works with what is known of a subscription's news, while nothing else is taken in hand. */
  inTurn<T>(subscriptionId: string, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(subscriptionId, work);
  }

  /**
   * Stores fetched content, whose entries are in hand from now on. Call it in the turn of its subscription.
   *
   * @param entries the pieces of its entries, where they are known
   */
  async keep(
    reception: Reception,
    store: () => Promise<DeliveryAnswer>,
    entries?: readonly Piece[],
  ): Promise<DeliveryAnswer> {
    const tracked = this.#trackedOf(reception, entries);
    reception.pieces = tracked instanceof Promise ? await tracked : tracked;
    const given = await this.#options.seen.handing(await this.#ownOf(reception, reception.pieces), store);
    return given.type === 'unavailable' ? this.unkept(reception, given) : given;
  }

  /** The handler has ended: what it succeeded with is noted. After a failure, its entries stay claimed for the next try. */
  ended(reception: Reception, outcome: StoredRun['type']): void {
    if (outcome === 'done') this.#handled(reception);
    else if (outcome === 'deleted') this.#release(reception);
    // The next try has an object of its own.
    else closeEvent(reception.event);
  }

  /** The event is not in the store, and its hub is to send it again: as another event, which has its entries then. */
  unkept(reception: Reception, answer: DeliveryAnswer): DeliveryAnswer {
    this.#release(reception);
    return answer;
  }

  #handled(reception: Reception): void {
    const found = entriesHad(reception.event);
    this.#note(reception, (tracked) =>
      after(found, (pieces) => {
        const all = lastOfEach([...tracked, ...pieces]);
        const own = after(all, (each) => this.#ownOf(reception, each));
        const noted = after(own, (each) => this.#options.seen.handled(each));
        return after(noted, () => this.#release(reception));
      }),
    );
  }

  /** It is not tried again. */
  givenUp(reception: Reception): void {
    closeEvent(reception.event);
    this.#note(reception, (pieces) => this.#takeGivenUp(reception, this.#ownOf(reception, pieces)));
  }

  /** A previous process left it to be tried again, or, where it is dead, gave it up. */
  found(reception: Reception, isDead: boolean): void {
    this.#note(reception, (pieces) => this.#takeFound(reception, pieces, isDead));
  }

  /**
   * The same for an event that has to be parsed for that: nothing of its subscription is handed over before.
   *
   * @param read reads it from the store; undefined where it is there no more
   */
  foundUnparsed(subscriptionId: string, isDead: boolean, read: () => Promise<Reception | undefined>): void {
    const take = async (): Promise<void> => {
      // The next process reads it again.
      if (this.#isStopping) return;
      const reception = await read();
      if (reception !== undefined) await this.#takeFound(reception, await this.#trackedOf(reception), isDead);
    };
    // A stop does not wait for it.
    void this.#logged(this.#turns.take(subscriptionId, () => this.#found.take(FOUND, take)));
  }

  /** Called at a stop. Resolves when all that was handed over is noted. */
  async settled(): Promise<void> {
    this.#isStopping = true;
    while (this.#noting.size > 0) await Promise.all(this.#noting);
    await this.#options.seen.settled();
  }

  async #decide(
    { delivery }: DeliveryTarget,
    reception: Reception,
    hand: () => PendingAnswer,
    onBegun?: () => void,
  ): Promise<DeliveryAnswer> {
    const { pieces = [] } = reception;
    const looked = this.#lookUp(delivery, pieces);
    const known = looked instanceof Promise ? await looked : looked;
    if (known === undefined) {
      const own = this.#ownOf(reception, pieces);
      const given = await this.#options.seen.handing(own instanceof Promise ? await own : own, hand, onBegun);
      return given.type === 'unavailable' ? this.unkept(reception, given) : given;
    }
    onBegun?.();
    return this.#answerAgain(reception, known);
  }

  /** The hub was told 2xx: what is news is handed over from the store. */
  async #decideHeld({ delivery }: DeliveryTarget, reception: Reception, held: Held): Promise<void> {
    const { pieces = [] } = reception;
    const known = await this.#lookUp(delivery, pieces);
    const release = async (): Promise<void> => {
      await this.#options.seen.waits(await this.#ownOf(reception, pieces));
      held.release(pieces);
    };
    if (known === undefined) return release();
    const answered = this.#answerAgain(reception, known);
    this.#remember(answered.then(({ type }) => (type === 'acknowledged' ? held.drop() : release()), release));
  }

  async #answerAgain(reception: Reception, { answer }: KnownAnswer): Promise<DeliveryAnswer> {
    const { entry, event } = reception;
    // A dropped event has no handler, so it claims no entries.
    this.#release(reception);
    this.#options.logger.debug({ subscription: entry.record.id, event: event.id }, 'what came was handed over before');
    const given = await answer;
    if (given.type === 'acknowledged') entry.counters.duplicate();
    return given;
  }

  #lookUp(delivery: DeliveryTarget['delivery'], pieces: readonly Piece[]): Awaitable<KnownAnswer | undefined> {
    return this.#options.seen.answerTo(decisive(delivery, pieces), delivery.dedupeWindowSeconds * 1000);
  }

  #takeFound(reception: Reception, pieces: readonly Piece[], isDead: boolean): Awaitable<void> {
    const own = this.#ownOf(reception, pieces);
    return isDead ? this.#takeGivenUp(reception, own) : after(own, (each) => this.#options.seen.waits(each));
  }

  #takeGivenUp(reception: Reception, own: Awaitable<readonly Piece[]>): Awaitable<void> {
    return after(own, (pieces) => {
      this.#options.seen.givenUp(pieces);
      this.#release(reception);
    });
  }

  /** The entries that no other event has claimed. */
  #ownOf({ event }: Reception, pieces: readonly Piece[]): Awaitable<readonly Piece[]> {
    return this.#options.claimed.ownOf(pieces, event);
  }

  #release({ event }: Reception): void {
    closeEvent(event);
    this.#options.claimed.release(event);
  }

  /** Nobody waits for this. Notes of one subscription are made in order. */
  #note(reception: Reception, note: (pieces: readonly Piece[]) => Awaitable<void>): void {
    const { id } = reception.entry.record;
    const tracked = this.#trackedOf(reception);
    const isTaken = tracked instanceof Promise || this.#turns.isTaken(id);
    const noted = isTaken ? this.#turns.take(id, async () => note(await tracked)) : note(tracked);
    if (noted instanceof Promise) this.#remember(noted);
  }

  #remember(work: Promise<void>): void {
    const noting = this.#logged(work).finally(() => this.#noting.delete(noting));
    this.#noting.add(noting);
  }

  #logged(work: Promise<void>): Promise<void> {
    return work.catch((error: unknown) =>
      this.#options.logger.error({ err: error }, 'processed entries could not be recorded'),
    );
  }

  #trackedOf(reception: Reception, entries?: readonly Piece[]): Awaitable<readonly Piece[]> {
    const { entry, event, pieces } = reception;
    if (pieces !== undefined) return pieces;
    const delivery = this.#options.targetOf(entry.record.service)?.delivery;
    return delivery !== undefined && isTracked(delivery) ? piecesOf(delivery, event, entries) : [];
  }
}

/** The last piece of each key. */
function lastOfEach(pieces: readonly Piece[]): Awaitable<readonly Piece[]> {
  const byKey = new Map<string, Piece>();
  const going = inSlices(pieces, (piece) => byKey.set(piece.key, piece));
  return after(going, () => [...byKey.values()]);
}
