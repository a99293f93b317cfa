import { ACKNOWLEDGED, type DeliveryAnswer } from '../delivery-answer.js';
import type { DedupeKey } from './dedupe-key.js';

/** The answer for the hub, now or later. */
export type PendingAnswer = DeliveryAnswer | Promise<DeliveryAnswer>;

/** The versions of a key in progress. Most keys have one version; only several need a map. */
type InProgress = { readonly version: string; readonly answer: PendingAnswer } | Map<string, PendingAnswer>;

/** Dedupe keys whose handler is running or will be retried, with the answer that their hub gets. */
export class InProgressKeys {
  readonly #byKey = new Map<string, InProgress>();

  /** Whether any version of the key is in progress. */
  hasAnyVersion(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Whether any version in progress is not stored yet. It may still fail. */
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

/**
 * Returns the first answer that is not an acknowledgement. If one key was not stored, the hub must send the content
 * again.
 */
export async function worstAnswer(answers: ReadonlySet<PendingAnswer>): Promise<DeliveryAnswer> {
  const settledAnswers = await Promise.all([...answers].map(async (answer) => answer));
  return settledAnswers.find(({ type }) => type !== 'acknowledged') ?? ACKNOWLEDGED;
}
