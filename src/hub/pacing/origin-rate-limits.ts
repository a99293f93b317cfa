import { originOf } from '../http/origin.js';

/** A longer `Retry-After` of a 429 holds an origin back for this many milliseconds (PROTOCOL S3). */
export const LONGEST_RATE_LIMIT_MS = 3_600_000;

/** Requests that were held back are spread over so many milliseconds afterwards. */
const SPREAD_MS = 60_000;

/** While an origin is held, one request for a lease that would run out leaves in so many milliseconds. */
const URGENT_EVERY_MS = 60_000;

/** A user's `retry(id)` is good for so many milliseconds: discovery and waiting for a turn take their time. */
const RELEASE_MS = 600_000;

/** Origins, and released subscriptions, remembered at most. */
const MOST_REMEMBERED = 10_000;

/** A redirect led to an origin that wants to be left alone. */
export class HeldOriginError extends Error {
  override readonly name = 'HeldOriginError';
  /** When to ask again, in epoch milliseconds. */
  readonly until: number;

  constructor(url: string, until: number) {
    super(`${originOf(url)} answered 429 a while ago and is left alone`);
    this.until = until;
  }
}

/** A subscribe request that is about to leave. */
export interface LeavingRequest {
  readonly subscriptionId: string;
  readonly grantId: string;
  /** When the lease that it is to renew ends (epoch milliseconds); undefined where nothing is delivered. */
  readonly expiresAt?: number | undefined;
}

interface Hold {
  until: number;
  /** When the next urgent request may leave. */
  nextUrgentAt: number;
  /** When urgent requests leave, by grant. */
  readonly slots: Map<string, number>;
}

/** Subscriptions whose user wants them asked for at once, each grant once. */
interface Release {
  readonly at: number;
  readonly passed: Set<string>;
}

/** The options of the holds. */
export interface OriginHoldsOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Origins that answered 429 with `Retry-After`: subscribe requests to them wait until that is over (PROTOCOL S3). Kept in
 * memory; when a request was put off is kept with its grant.
 */
export class OriginHolds {
  readonly #options: OriginHoldsOptions;
  readonly #holds = new Map<string, Hold>();
  readonly #released = new Map<string, Release>();

  constructor(options: OriginHoldsOptions) {
    this.#options = options;
  }

  /**
   * Begins or extends the hold of a URL's origin.
   *
   * @returns until when (epoch milliseconds) where it begins; undefined where it was held already, or is not held
   */
  hold(url: string, retryAfterSeconds: number): number | undefined {
    if (retryAfterSeconds <= 0) return undefined;
    const now = this.#options.now();
    const until = now + Math.min(retryAfterSeconds * 1000, LONGEST_RATE_LIMIT_MS);
    const origin = originOf(url);
    const held = this.#heldAt(origin);
    if (held !== undefined) {
      held.until = Math.max(held.until, until);
      return undefined;
    }
    remember(this.#holds, origin, { until, nextUrgentAt: now, slots: new Map() });
    return until;
  }

  /** The user wants a subscription asked for at once, whatever its hub said. */
  release(subscriptionId: string): void {
    this.#released.delete(subscriptionId);
    remember(this.#released, subscriptionId, { at: this.#options.now(), passed: new Set() });
  }

  /** Whether a request would be put off, without deciding it. */
  wouldHold(url: string, request: LeavingRequest): boolean {
    if (this.#holds.size === 0) return false;
    const hold = this.#heldAt(originOf(url));
    return hold !== undefined && !this.#isReleased(url, request) && this.#slotOf(hold, request) > this.#options.now();
  }

  /**
   * Decides whether a request leaves now.
   *
   * @returns undefined where it leaves; else when to come again (epoch milliseconds)
   */
  putOff(url: string, request: LeavingRequest): number | undefined {
    if (this.#holds.size === 0) return undefined;
    const hold = this.#heldAt(originOf(url));
    if (hold === undefined) return undefined;
    if (this.#isReleased(url, request)) {
      this.#released.get(request.subscriptionId)?.passed.add(passOf(url, request));
      return undefined;
    }
    const slot = this.#slotOf(hold, request);
    // A turn that would come too late is not taken.
    if (slot >= hold.until) return hold.until + Math.floor(this.#options.random() * spreadMs(hold, request));
    if (!hold.slots.has(request.grantId)) hold.nextUrgentAt = slot + URGENT_EVERY_MS;
    if (slot > this.#options.now()) {
      hold.slots.set(request.grantId, slot);
      return slot;
    }
    hold.slots.delete(request.grantId);
    return undefined;
  }

  /** When an urgent request may leave; Infinity for one that is not. */
  #slotOf(hold: Hold, { grantId, expiresAt = Infinity }: LeavingRequest): number {
    if (expiresAt > hold.until) return Infinity;
    return hold.slots.get(grantId) ?? Math.max(this.#options.now(), hold.nextUrgentAt);
  }

  #heldAt(origin: string): Hold | undefined {
    const hold = this.#holds.get(origin);
    if (hold === undefined) return undefined;
    const leftMs = hold.until - this.#options.now();
    // By a clock that was set back it would last for longer than it was meant to.
    if (leftMs > 0 && leftMs <= LONGEST_RATE_LIMIT_MS) return hold;
    this.#holds.delete(origin);
    return undefined;
  }

  #isReleased(url: string, request: LeavingRequest): boolean {
    const { subscriptionId } = request;
    const release = this.#released.get(subscriptionId);
    if (release === undefined) return false;
    const age = this.#options.now() - release.at;
    if (age >= 0 && age < RELEASE_MS) return !release.passed.has(passOf(url, request));
    this.#released.delete(subscriptionId);
    return false;
  }
}

/** Over how long requests are spread after a hold; less for one whose lease ends soon after it. */
function spreadMs({ until }: Hold, { expiresAt = Infinity }: LeavingRequest): number {
  return expiresAt > until ? Math.min(SPREAD_MS, (expiresAt - until) / 2) : SPREAD_MS;
}

/** Adds an entry, and forgets the oldest where there are too many. */
function remember<T>(entries: Map<string, T>, key: string, entry: T): void {
  entries.set(key, entry);
  if (entries.size <= MOST_REMEMBERED) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}

/** A release passes each origin once for each grant: a hub and where it redirects may both be held. */
function passOf(url: string, { grantId }: LeavingRequest): string {
  return `${grantId} ${originOf(url)}`;
}
