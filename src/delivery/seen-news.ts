import type { Logger } from '../logger.js';
import { decodeRecord, encodeRecord } from '../store/codec.js';
import type { RecordStore } from '../store/record-store.js';
import { ACKNOWLEDGED, type DeliveryAnswer } from './delivery-answer.js';
import { NewsInHand, worstOf, type PendingAnswer } from './news-in-hand.js';
import { isWhole, type Piece } from './piece.js';
import { isBefore, isNewsAfter, seenOf, type Seen } from './seen-piece.js';

const VERSION = 1;

const MOST_SEEN = 250_000;

/** What is seen again and again, as all that a feed still has is, is noted in the store so seldom. */
const NOTED_EVERY_MS = 86_400_000;

/** What remembering works with. */
export interface SeenNewsOptions {
  readonly store: RecordStore;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** So many pieces are remembered; what was seen longest ago is forgotten first. @default 250_000 */
  readonly most?: number | undefined;
}

/**
 * News that a handler has had, or has in hand: what comes a second time, from another hub or again from the same one, is
 * known. Nothing counts as seen before its handler has succeeded.
 */
export class SeenNews {
  readonly #options: SeenNewsOptions;
  /** By key, what was seen longest ago first. */
  readonly #seen = new Map<string, Seen>();
  readonly #inHand = new NewsInHand();
  /** What lies with the dead letters, by key. */
  readonly #givenUp = new Map<string, Pick<Seen, 'updated' | 'deleted'>>();
  readonly #writes = new Set<Promise<void>>();
  #isFull = false;

  constructor(options: SeenNewsOptions) {
    this.#options = options;
  }

  /** Whether it has had to forget what feeds may still have. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Reads what a previous process saw. What cannot be read is logged: at worst that news is handed over once more. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'what was seen before cannot be read: it may be handed over once more');
    const read: [key: string, seen: Seen][] = [];
    for await (const [key, raw] of store.entries('seen', { onUnreadable: unreadable })) {
      try {
        read.push([key, seenOf(decodeRecord(VERSION, raw, {}, `seen ${key}`))]);
      } catch (error) {
        unreadable(error);
      }
    }
    for (const [key, seen] of read.toSorted(([, a], [, b]) => a.at - b.at)) this.#seen.set(key, seen);
  }

  /** How an entry compares with what was seen of it. One that is older than that has been on its way for long. */
  changeOf(given: Piece): 'new' | 'updated' | 'unchanged' {
    const piece = this.#dated(given);
    const seen = this.#seen.get(piece.key);
    if (seen === undefined || seen.isOld === true) return 'new';
    // When an entry was deleted says nothing of when it was written, nor the other way round.
    const isOlder = seen.deleted === piece.deleted && isBefore(piece, seen);
    return seen.version === piece.version || isOlder ? 'unchanged' : 'updated';
  }

  /** Whether no handler has had an entry that the topic has, or only an older one, and none has it in hand. */
  isMissing(given: Piece): boolean {
    const piece = this.#dated(given);
    if (this.#inHand.hasSome(piece.key)) return false;
    const had = this.#seen.get(piece.key) ?? this.#givenUp.get(piece.key);
    return had === undefined || isNewsAfter(had, piece);
  }

  /** The same, where its topic had it before anybody looked and no handler has had it since: it may be of a gap. */
  isMissingOrOld(piece: Piece): boolean {
    const isOld = this.#seen.get(piece.key)?.isOld === true && !this.#inHand.hasSome(piece.key);
    return isOld || this.isMissing(piece);
  }

  /** Whether nobody knows anything of an entry: no handler had it, and its topic did not have it before. */
  isUnknown({ key }: Piece): boolean {
    return !this.#seen.has(key) && !this.#givenUp.has(key);
  }

  /** Whether an entry is in hand and may come to nothing: neither handled nor stored. */
  isUncertain({ key }: Piece): boolean {
    return this.#inHand.isUncertain(key);
  }

  /**
   * What a hub is answered that sends nothing but what was seen, or is in hand; undefined for news.
   *
   * @param windowMs milliseconds for which a whole body counts as seen
   */
  answerTo(pieces: readonly Piece[], windowMs: number): PendingAnswer | undefined {
    if (pieces.length === 0) return undefined;
    const since = this.#options.now() - windowMs;
    const given: PendingAnswer[] = [];
    for (const piece of pieces) {
      const isRecent = !isWhole(piece) || (this.#seen.get(piece.key)?.at ?? -Infinity) > since;
      if (isRecent && this.changeOf(piece) === 'unchanged') continue;
      const answer = this.#inHand.answerTo(piece);
      if (answer === undefined) return undefined;
      given.push(answer);
    }
    return given.length === 0 ? ACKNOWLEDGED : worstOf(given);
  }

  /** The news is in hand until it was seen or given up; where it could not be kept, its hub is to come again. */
  async handing(pieces: readonly Piece[], hand: () => PendingAnswer): Promise<DeliveryAnswer> {
    // In hand before it is handed over: a handler may be done with it at once.
    const answer = Promise.resolve().then(hand);
    for (const piece of pieces) this.#inHand.set(piece, answer);
    const given = await answer;
    for (const piece of pieces) {
      if (this.#inHand.answerTo(piece) !== answer) continue;
      if (given.type === 'acknowledged') this.#inHand.set(piece, ACKNOWLEDGED);
      else this.#inHand.delete(piece);
    }
    return given;
  }

  /** The news waits in the store for its handler. */
  waits(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      this.#givenUp.delete(piece.key);
      this.#inHand.set(piece, ACKNOWLEDGED);
    }
  }

  /** The handler has succeeded, or need not have it. What cannot be stored is remembered by this process alone. */
  handled(pieces: readonly Piece[]): void {
    const at = this.#options.now();
    for (const piece of pieces) {
      const { key, version, updated, deleted } = this.#dated(piece);
      this.#inHand.delete(piece);
      this.#givenUp.delete(key);
      const before = this.#seen.get(key);
      // An older version that comes late takes the place of none.
      const kept =
        before !== undefined && this.changeOf(piece) === 'unchanged' ? before : { version, updated, deleted };
      const isNoted = kept === before && at - before.notedAt < NOTED_EVERY_MS && !isWhole(piece);
      this.#seen.delete(key);
      this.#seen.set(key, { ...kept, at, notedAt: isNoted ? before.notedAt : at });
      if (!isNoted) this.#write('set', key);
    }
    this.#forgetOldest();
  }

  /** Its topic had them before anybody looked: they are not missing, and are news all the same should a hub deliver them. */
  foundOld(pieces: readonly Piece[]): void {
    const at = this.#options.now();
    for (const { key, version, updated, deleted } of pieces.map((piece) => this.#dated(piece))) {
      if (this.#seen.has(key)) continue;
      this.#seen.set(key, { at, version, updated, deleted, isOld: true, notedAt: at });
      this.#write('set', key);
    }
    this.#forgetOldest();
  }

  /** What a topic still has is not to be forgotten before what it has no more. */
  touch(pieces: readonly Piece[]): void {
    const at = this.#options.now();
    for (const { key } of pieces) {
      const seen = this.#seen.get(key);
      if (seen === undefined) continue;
      const isNoted = at - seen.notedAt < NOTED_EVERY_MS;
      this.#seen.delete(key);
      this.#seen.set(key, { ...seen, at, notedAt: isNoted ? seen.notedAt : at });
      if (!isNoted) this.#write('set', key);
    }
  }

  /** The news is given up: should a hub send it again, it is handed over. */
  givenUp(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      const { key, updated, deleted } = this.#dated(piece);
      this.#inHand.delete(piece);
      this.#givenUp.set(key, { updated, deleted });
    }
    const { most = MOST_SEEN } = this.#options;
    for (const oldest of this.#givenUp.keys()) {
      if (this.#givenUp.size <= most) break;
      this.#givenUp.delete(oldest);
    }
  }

  /** Forgets the bodies that were seen before a time, in epoch milliseconds. */
  sweep(before: number): void {
    for (const [key, { at, version }] of this.#seen) {
      if (at < before && isWhole({ key, version })) this.#forget(key);
    }
  }

  /** Resolves when what was seen is in the store, or could not be stored. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  /** A time that is yet to come is none: what is corrected later would be taken for older. */
  #dated(piece: Piece): Piece {
    const { updated = -Infinity } = piece;
    return updated > this.#options.now() ? { ...piece, updated: undefined } : piece;
  }

  #forgetOldest(): void {
    const { most = MOST_SEEN } = this.#options;
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= most) break;
      this.#isFull = true;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#seen.delete(key);
    this.#write('delete', key);
  }

  /** Behind the answer to the hub: at worst, news is handed over once more. */
  #write(what: 'set' | 'delete', key: string): void {
    const { store, logger } = this.#options;
    const write = async (): Promise<void> => {
      const { notedAt: _notedAt, ...seen } = this.#seen.get(key) ?? { notedAt: 0 };
      try {
        if (what === 'set') await store.set('seen', key, encodeRecord(VERSION, seen));
        else await store.delete('seen', key);
      } catch (error) {
        const told = 'what was handed over could not be noted: after a restart it may be handed over again';
        logger.warn({ err: error }, told);
      }
    };
    const writing = write().finally(() => this.#writes.delete(writing));
    this.#writes.add(writing);
  }
}
