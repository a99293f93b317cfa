import type { GrantRecord } from '../../../src/subscription/record/record.js';
import { isVerificationExpected } from '../../../src/subscription/machine/state.js';
import type { Intent } from './hub-model.js';
import type { Expect, Watched } from './model-setup.js';

const MINUTE = 60_000;

/** Records calls of the service's handlers that are more frequent than allowed. */
export class HandlerWatch {
  readonly #world: Watched;
  readonly #expect: Expect;
  /**
   * By call and grant: the time of the last call, by the clock of the subscriber, and the request that was open then.
   */
  readonly #calls = new Map<string, { readonly at: number; readonly request: string | undefined }>();

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  /** A new process knows no recent answers, and neither does a clock that was set. */
  onStart(): void {
    this.#calls.clear();
  }

  /** A hub may come again after an answer that could not be stored. */
  onNotNow(call: Intent['mode'], { id }: GrantRecord): void {
    this.#calls.delete(`${call} ${id}`);
  }

  /** V9, N1, N3: once a minute per grant, except for the first answer to an open request. */
  onCall(call: Intent['mode'], grant: GrantRecord): void {
    const { now } = this.#world;
    const key = `${call} ${grant.id}`;
    const lastCall = this.#calls.get(key);
    // A denial may follow a forged verification.
    const mayAnswer = call === 'denied' || grant.pending?.verified !== true;
    const request = mayAnswer ? grant.pending?.id : undefined;
    const isNewRequest = request !== undefined && request !== lastCall?.request;
    const isLeaving = call === 'unsubscribe' && grant.state === 'unsubscribing';
    const isLate = isLeaving || (call === 'subscribe' && request === undefined && isVerificationExpected(grant, now));
    if (call !== 'hub-error' && (isNewRequest || isLate)) {
      this.#calls.set(key, { at: lastCall?.at ?? -Infinity, request });
      return;
    }
    this.#calls.set(key, { at: now, request: lastCall?.request });
    const sinceLastCall = lastCall === undefined ? Infinity : now - lastCall.at;
    this.#expect(
      sinceLastCall < 0 || sinceLastCall >= MINUTE,
      `V9 the handler of ${call} is called for ${grant.id} again after ${sinceLastCall} ms`,
    );
  }
}
