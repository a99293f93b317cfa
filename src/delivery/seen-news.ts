import type { Logger } from '../logger.js';
import { decodeRecord, encodeRecord } from '../store/codec.js';
import type { RecordStore } from '../store/record-store.js';
import { ACKNOWLEDGED, type DeliveryAnswer } from './delivery-answer.js';

const VERSION = 1;

/** What was handed over is remembered by its digest, so much of it at most; the oldest is forgotten first. */
const MOST_SEEN = 100_000;

/** What remembering works with. */
export interface SeenNewsOptions {
  readonly store: RecordStore;
  readonly logger: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/**
 * News that a handler has had, or has in hand, by digest: what comes a second time, from another hub or again from the same
 * one, is acknowledged and not handed over. Nothing counts as seen before its handler has succeeded.
 */
export class SeenNews {
  readonly #options: SeenNewsOptions;
  /** When each was seen, the oldest first; epoch milliseconds. */
  readonly #seen = new Map<string, number>();
  /** What a handler is at work with, or is to be tried again with, and what its hub is answered. */
  readonly #inHand = new Map<string, DeliveryAnswer | Promise<DeliveryAnswer>>();

  constructor(options: SeenNewsOptions) {
    this.#options = options;
  }

  /** Reads what a previous process saw. What cannot be read is logged: at worst that news is handed over once more. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    const unreadable = (error: unknown): void =>
      logger.error({ err: error }, 'what was seen before cannot be read: it may be handed over once more');
    const read: [digest: string, at: number][] = [];
    for await (const [digest, raw] of store.entries('seen', { onUnreadable: unreadable })) {
      try {
        read.push([digest, timeOf(decodeRecord(VERSION, raw, {}, `seen ${digest}`))]);
      } catch (error) {
        unreadable(error);
      }
    }
    for (const [digest, at] of read.toSorted(([, a], [, b]) => a - b)) this.#seen.set(digest, at);
  }

  /**
   * What a hub is answered that sends nothing but what was seen within the window, or is in hand; undefined for news.
   *
   * @param windowMs milliseconds
   */
  answerTo(digests: readonly string[], windowMs: number): DeliveryAnswer | Promise<DeliveryAnswer> | undefined {
    const since = this.#options.now() - windowMs;
    const given: (DeliveryAnswer | Promise<DeliveryAnswer>)[] = [];
    for (const digest of digests) {
      if ((this.#seen.get(digest) ?? -Infinity) > since) continue;
      const answer = this.#inHand.get(digest);
      if (answer === undefined) return undefined;
      given.push(answer);
    }
    return given.length === 0 ? ACKNOWLEDGED : worst(given);
  }

  /** The news is in hand until it was seen or given up; where it could not be kept, its hub is to come again. */
  async handing(digests: readonly string[], answer: Promise<DeliveryAnswer>): Promise<DeliveryAnswer> {
    for (const digest of digests) this.#inHand.set(digest, answer);
    const given = await answer;
    for (const digest of digests) {
      if (this.#inHand.get(digest) !== answer) continue;
      if (given.type === 'acknowledged') this.#inHand.set(digest, ACKNOWLEDGED);
      else this.#inHand.delete(digest);
    }
    return given;
  }

  /** The news waits in the store for its handler. */
  waits(digests: readonly string[]): void {
    for (const digest of digests) this.#inHand.set(digest, ACKNOWLEDGED);
  }

  /** The handler has succeeded. Never rejects: what cannot be stored is remembered by this process alone. */
  async handled(digests: readonly string[]): Promise<void> {
    const { store, logger, now } = this.#options;
    const at = now();
    for (const digest of digests) {
      this.#inHand.delete(digest);
      this.#seen.delete(digest);
      this.#seen.set(digest, at);
    }
    try {
      await Promise.all(digests.map((digest) => store.set('seen', digest, encodeRecord(VERSION, { at }))));
      for (const oldest of this.#seen.keys()) {
        if (this.#seen.size <= MOST_SEEN) break;
        await this.#forget(oldest);
      }
    } catch (error) {
      logger.warn(
        { err: error },
        'what was handed over could not be noted: after a restart it may be handed over again',
      );
    }
  }

  /** The news is given up: should it come again, it is handed over. */
  givenUp(digests: readonly string[]): void {
    for (const digest of digests) this.#inHand.delete(digest);
  }

  /** Forgets what was seen before a time, in epoch milliseconds. */
  async sweep(before: number): Promise<void> {
    for (const [digest, at] of this.#seen) if (at < before) await this.#forget(digest);
  }

  async #forget(digest: string): Promise<void> {
    await this.#options.store.delete('seen', digest);
    this.#seen.delete(digest);
  }
}

function timeOf(data: unknown): number {
  const at: unknown = typeof data === 'object' && data !== null && 'at' in data ? data.at : undefined;
  if (typeof at === 'number' && Number.isFinite(at)) return at;
  throw new Error('The record does not say when the news was seen.');
}

/** What was not kept has to come again, whatever became of the rest. */
async function worst(answers: readonly (DeliveryAnswer | Promise<DeliveryAnswer>)[]): Promise<DeliveryAnswer> {
  const given = await Promise.all(answers.map(async (answer) => answer));
  return given.find(({ type }) => type !== 'acknowledged') ?? ACKNOWLEDGED;
}
