import type { GrantRecord } from '../../../src/subscription/record/record.js';
import { isVerificationExpected } from '../../../src/subscription/machine/state.js';
import type { Intent } from './hub-model.js';
import type { Expect, Watched } from './model-setup.js';

const MINUTE = 60_000;

/** Notes where the service's handlers are called more often than anybody may have them called. */
export class HandlerWatch {
  readonly #world: Watched;
  readonly #expect: Expect;
  /** By call and grant: when it was last made, in the subscriber's time, and the request that was open then. */
  readonly #calls = new Map<string, { readonly at: number; readonly request: string | undefined }>();

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  /** What was answered lately is not known to a new process, nor by a clock that was set. */
  onStart(): void {
    this.#calls.clear();
  }

  /** What could not be stored is asked for again when the hub comes again. */
  onNotNow(call: Intent['mode'], { id }: GrantRecord): void {
    this.#calls.delete(`${call} ${id}`);
  }

  /** V9, N1, N3: once a minute a grant, but for what answers a request that nothing has come for yet. */
  onCall(call: Intent['mode'], grant: GrantRecord): void {
    const { now } = this.#world;
    const key = `${call} ${grant.id}`;
    const last = this.#calls.get(key);
    // A denial may well come after a verification that was forged.
    const isHeard = call === 'denied' || grant.pending?.verified !== true;
    const request = isHeard ? grant.pending?.id : undefined;
    const isOther = request !== undefined && request !== last?.request;
    const isLeaving = call === 'unsubscribe' && grant.state === 'unsubscribing';
    const isLate = isLeaving || (call === 'subscribe' && request === undefined && isVerificationExpected(grant, now));
    if (call !== 'hub-error' && (isOther || isLate)) {
      this.#calls.set(key, { at: last?.at ?? -Infinity, request });
      return;
    }
    this.#calls.set(key, { at: now, request: last?.request });
    const sinceThen = last === undefined ? Infinity : now - last.at;
    this.#expect(
      sinceThen < 0 || sinceThen >= MINUTE,
      `V9 the handler of ${call} is called for ${grant.id} again after ${sinceThen} ms`,
    );
  }
}
