import { ACKNOWLEDGED, type DeliveryAnswer } from './delivery-answer.js';
import type { Piece } from './piece.js';

/** What a hub is answered, now or later. */
export type PendingAnswer = DeliveryAnswer | Promise<DeliveryAnswer>;

/** News that a handler is at work with, or is to be tried again with, and what its hub is answered. */
export class NewsInHand {
  readonly #byKey = new Map<string, Map<string, PendingAnswer>>();

  /** Whether some version of it is in hand. */
  hasSome(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Whether some version of it is in hand that is not in the store, and may come to nothing. */
  isUncertain(key: string): boolean {
    return [...(this.#byKey.get(key)?.values() ?? [])].some((answer) => answer !== ACKNOWLEDGED);
  }

  answerTo({ key, version }: Piece): PendingAnswer | undefined {
    return this.#byKey.get(key)?.get(version);
  }

  set({ key, version }: Piece, answer: PendingAnswer): void {
    const versions = this.#byKey.get(key) ?? new Map<string, PendingAnswer>();
    this.#byKey.set(key, versions.set(version, answer));
  }

  delete({ key, version }: Piece): void {
    const versions = this.#byKey.get(key);
    versions?.delete(version);
    if (versions?.size === 0) this.#byKey.delete(key);
  }
}

/** What was not kept has to come again, whatever became of the rest. */
export async function worstOf(answers: readonly PendingAnswer[]): Promise<DeliveryAnswer> {
  const given = await Promise.all(answers.map(async (answer) => answer));
  return given.find(({ type }) => type !== 'acknowledged') ?? ACKNOWLEDGED;
}
