import { ACKNOWLEDGED, type DeliveryAnswer } from '../delivery-answer.js';
import type { Piece } from './dedupe-key.js';

/** What a hub is answered, now or later. */
export type PendingAnswer = DeliveryAnswer | Promise<DeliveryAnswer>;

/** A version in hand, which is all there is of most, or several of them. */
type InHand = { readonly version: string; readonly answer: PendingAnswer } | Map<string, PendingAnswer>;

/** News that a handler is at work with, or is to be tried again with, and what its hub is answered. */
export class NewsInHand {
  readonly #byKey = new Map<string, InHand>();

  /** Whether some version of it is in hand. */
  hasSome(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Whether some version of it is in hand that is not in the store, and may come to nothing. */
  isUncertain(key: string): boolean {
    const inHand = this.#byKey.get(key);
    if (inHand === undefined) return false;
    if (!(inHand instanceof Map)) return inHand.answer !== ACKNOWLEDGED;
    return [...inHand.values()].some((answer) => answer !== ACKNOWLEDGED);
  }

  answerTo({ key, version }: Piece): PendingAnswer | undefined {
    const inHand = this.#byKey.get(key);
    if (inHand instanceof Map) return inHand.get(version);
    return inHand?.version === version ? inHand.answer : undefined;
  }

  set({ key, version }: Piece, answer: PendingAnswer): void {
    const inHand = this.#byKey.get(key);
    if (inHand instanceof Map) inHand.set(version, answer);
    else if (inHand === undefined || inHand.version === version) this.#byKey.set(key, { version, answer });
    else this.#byKey.set(key, new Map([[inHand.version, inHand.answer]]).set(version, answer));
  }

  delete({ key, version }: Piece): void {
    const inHand = this.#byKey.get(key);
    if (inHand instanceof Map) {
      inHand.delete(version);
      if (inHand.size === 0) this.#byKey.delete(key);
    } else if (inHand?.version === version) {
      this.#byKey.delete(key);
    }
  }
}

/** What was not kept has to come again, whatever became of the rest. */
export async function worstOf(answers: ReadonlySet<PendingAnswer>): Promise<DeliveryAnswer> {
  const given = await Promise.all([...answers].map(async (answer) => answer));
  return given.find(({ type }) => type !== 'acknowledged') ?? ACKNOWLEDGED;
}
