import { inSlices } from '../../engine/slices.js';
import { after, type Awaitable } from '../message/awaitable.js';
import { ACKNOWLEDGED, type DeliveryAnswer } from '../delivery-answer.js';
import { NewsInHand, worstOf, type PendingAnswer } from './in-progress-keys.js';
import { isWhole, type Piece } from './dedupe-key.js';
import { isBefore, isNewsAfter } from './processed-version.js';
import { SeenTable } from './processed-table.js';
import { SeenRecords, type SeenRecordsOptions } from './processed-records.js';

/** What is seen again and again, as all that a feed still has is, is noted in the store so seldom. */
const NOTED_EVERY_MS = 86_400_000;

/** The answer to a hub that sends nothing new. */
export interface KnownAnswer {
  readonly answer: PendingAnswer;
}

/**
 * News that a handler has had, or has in hand: what comes a second time, from another hub or again from the same one, is
 * known. Nothing counts as seen before its handler has succeeded. What is done with many pieces at once is done in slices,
 * so that nothing else is kept waiting: whoever looks first and takes in hand then does both in the turn of the subscription.
 */
export class SeenNews {
  readonly #options: SeenRecordsOptions;
  readonly #seen: SeenRecords;
  readonly #inHand = new NewsInHand();
  /** What lies with the dead letters, by key. */
  readonly #givenUp = new SeenTable();
  readonly #noting = new Set<Promise<void>>();

  constructor(options: SeenRecordsOptions) {
    this.#options = options;
    this.#seen = new SeenRecords(options);
  }

  /** Whether it has had to forget what feeds may still have. */
  get isFull(): boolean {
    return this.#seen.isFull;
  }

  /** Reads what a previous process saw. */
  load(): Promise<void> {
    return this.#seen.load();
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
  answerTo(pieces: readonly Piece[], windowMs: number): Awaitable<KnownAnswer | undefined> {
    if (pieces.length === 0) return undefined;
    const since = this.#options.now() - windowMs;
    const given: PendingAnswer[] = [];
    let isNews = false;
    const looking = inSlices(pieces, (piece) => {
      if (isNews) return;
      const isRecent = !isWhole(piece) || (this.#seen.get(piece.key)?.at ?? -Infinity) > since;
      if (isRecent && this.changeOf(piece) === 'unchanged') return;
      const answer = this.#inHand.answerTo(piece);
      if (answer === undefined) isNews = true;
      else given.push(answer);
    });
    return after(looking, () => {
      if (isNews) return undefined;
      return { answer: given.length === 0 ? ACKNOWLEDGED : worstOf(new Set(given)) };
    });
  }

  /**
   * The news is in hand until it was seen or given up; where it could not be kept, its hub is to come again. Called for what
   * was found to be news in the same turn.
   *
   * @param onBegun told when it is in hand and handed over
   */
  async handing(
    pieces: readonly Piece[],
    hand: () => PendingAnswer,
    onBegun: () => void = () => {},
  ): Promise<DeliveryAnswer> {
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    // In hand before it is handed over: a handler may be done with it at once.
    const answer = begun.then(() => {
      const handed = hand();
      onBegun();
      return handed;
    });
    const taking = inSlices(pieces, (piece) => this.#inHand.set(piece, answer));
    if (taking !== undefined) await taking;
    begin();
    const given = await answer;
    await inSlices(pieces, (piece) => {
      if (this.#inHand.answerTo(piece) !== answer) return;
      if (given.type === 'acknowledged') this.#inHand.set(piece, ACKNOWLEDGED);
      else this.#inHand.delete(piece);
    });
    return given;
  }

  /** The news waits in the store for its handler. */
  waits(pieces: readonly Piece[]): Awaitable<void> {
    return inSlices(pieces, (piece) => {
      this.#givenUp.delete(piece.key);
      this.#inHand.set(piece, ACKNOWLEDGED);
    });
  }

  /** The handler has succeeded, or need not have it. What cannot be stored is remembered by this process alone. */
  handled(pieces: readonly Piece[]): Awaitable<void> {
    const at = this.#options.now();
    return this.#note(
      inSlices(pieces, (piece) => {
        const { key, version, updated, deleted } = this.#dated(piece);
        this.#inHand.delete(piece);
        this.#givenUp.delete(key);
        const before = this.#seen.get(key);
        // An older version that comes late takes the place of none.
        const kept =
          before !== undefined && this.changeOf(piece) === 'unchanged' ? before : { version, updated, deleted };
        const isNoted = kept === before && at - before.notedAt < NOTED_EVERY_MS && !isWhole(piece);
        this.#seen.put(key, { ...kept, at, notedAt: isNoted ? before.notedAt : at }, { inStore: !isNoted });
      }),
    );
  }

  /** Its topic had them before anybody looked: they are not missing, and are news all the same should a hub deliver them. */
  foundOld(pieces: readonly Piece[]): Awaitable<void> {
    const at = this.#options.now();
    return inSlices(pieces, (piece) => {
      const { key, version, updated, deleted } = this.#dated(piece);
      if (this.#seen.has(key)) return;
      this.#seen.put(key, { at, version, updated, deleted, isOld: true, notedAt: at }, { inStore: true });
    });
  }

  /** What a topic still has is not to be forgotten before what it has no more. */
  touch(pieces: readonly Piece[]): Awaitable<void> {
    const at = this.#options.now();
    return inSlices(pieces, ({ key }) => {
      const seen = this.#seen.get(key);
      if (seen === undefined) return;
      const isNoted = at - seen.notedAt < NOTED_EVERY_MS;
      this.#seen.put(key, { ...seen, at, notedAt: isNoted ? seen.notedAt : at }, { inStore: !isNoted });
    });
  }

  /** The news is given up: should a hub send it again, it is handed over. */
  givenUp(pieces: readonly Piece[]): void {
    const { most } = this.#seen;
    const at = this.#options.now();
    void this.#note(
      inSlices(pieces, (piece) => {
        const { key, version, updated, deleted } = this.#dated(piece);
        this.#inHand.delete(piece);
        this.#givenUp.set(key, { at, version, updated, deleted, notedAt: at });
        if (this.#givenUp.size > most) this.#givenUp.delete(this.#givenUp.oldest() ?? key);
      }),
    );
  }

  /** Forgets the bodies that were seen before a time, in epoch milliseconds. */
  sweep(before: number): void {
    void this.#note(
      inSlices(this.#seen.keys(), (key) => {
        const seen = this.#seen.get(key);
        if (seen !== undefined && seen.at < before && isWhole({ key, version: seen.version })) this.#seen.forget(key);
      }),
    );
  }

  /** Resolves when what was seen is in the store, or could not be stored. */
  async settled(): Promise<void> {
    while (this.#noting.size > 0) await Promise.all(this.#noting);
    await this.#seen.settled();
  }

  /** {@link settled} waits for it. */
  #note(work: Awaitable<void>): Awaitable<void> {
    if (!(work instanceof Promise)) return undefined;
    const noting = work.finally(() => this.#noting.delete(noting));
    this.#noting.add(noting);
    return noting;
  }

  /** A time that is yet to come is none: what is corrected later would be taken for older. */
  #dated(piece: Piece): Piece {
    const { updated = -Infinity } = piece;
    return updated > this.#options.now() ? { ...piece, updated: undefined } : piece;
  }
}
