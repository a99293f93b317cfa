import { ACKNOWLEDGED, type DeliveryAnswer } from '../delivery-answer.js';
import type { DedupeKey } from './dedupe-key.js';

/** What a hub is answered, now or later. */
export type PendingAnswer = DeliveryAnswer | Promise<DeliveryAnswer>;

/** A version in hand, which is all there is of most, or several of them. */
type InProgress = { readonly version: string; readonly answer: PendingAnswer } | Map<string, PendingAnswer>;

/** News that a handler is at work with, or is to be tried again with, and what its hub is answered. */
export class InProgressKeys {
  readonly #byKey = new Map<string, InProgress>();

  /** Whether some version of it is in hand. */
  hasAnyVersion(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Whether some version of it is in hand that is not in the store, and may come to nothing. */
  isUncertain(key: string): boolean {
    const inProgress = this.#byKey.get(key);
    if (inProgress === undefined) return false;
    if (!(inProgress instanceof Map)) return inProgress.answer !== ACKNOWLEDGED;
    return [...inProgress.values()].some((answer) => answer !== ACKNOWLEDGED);
  }

  answerFor({ key, version }: DedupeKey): PendingAnswer | undefined {
    const inProgress = this.#byKey.get(key);
    if (inProgress instanceof Map) return inProgress.get(version);
    return inProgress?.version === version ? inProgress.answer : undefined;
  }

  set({ key, version }: DedupeKey, answer: PendingAnswer): void {
    const inProgress = this.#byKey.get(key);
    if (inProgress instanceof Map) inProgress.set(version, answer);
    else if (inProgress === undefined || inProgress.version === version) this.#byKey.set(key, { version, answer });
    else this.#byKey.set(key, new Map([[inProgress.version, inProgress.answer]]).set(version, answer));
  }

  delete({ key, version }: DedupeKey): void {
    const inProgress = this.#byKey.get(key);
    if (inProgress instanceof Map) {
      inProgress.delete(version);
      if (inProgress.size === 0) this.#byKey.delete(key);
    } else if (inProgress?.version === version) {
      this.#byKey.delete(key);
    }
  }
}

/** What was not kept has to come again, whatever became of the rest. */
export async function worstAnswer(answers: ReadonlySet<PendingAnswer>): Promise<DeliveryAnswer> {
  const settledAnswers = await Promise.all([...answers].map(async (answer) => answer));
  return settledAnswers.find(({ type }) => type !== 'acknowledged') ?? ACKNOWLEDGED;
}
