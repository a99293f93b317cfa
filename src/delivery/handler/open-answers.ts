import type { DeliveryAnswer } from '../delivery-answer.js';

/** Counts the answers that hubs wait for. */
export class OpenAnswers {
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  readonly #done = (): void => {
    this.#open -= 1;
    if (this.#open === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  };

  /** Counts a pending answer until its promise settles. */
  track(answer: Promise<DeliveryAnswer>): Promise<DeliveryAnswer> {
    this.#open += 1;
    answer.then(this.#done, this.#done);
    return answer;
  }

  /** Resolves once no hub waits for an answer. */
  async settled(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
  }
}
