import { originOf } from '../http/origin.js';

/** A longer `Retry-After` of a 429 holds an origin back for this many milliseconds (PROTOCOL S3). */
export const MAX_RATE_LIMIT_MS = 3_600_000;

/** Requests that were held back are spread over so many milliseconds afterwards. */
const SPREAD_MS = 60_000;

/** While an origin is held, one request for a lease that would run out leaves in so many milliseconds. */
const URGENT_INTERVAL_MS = 60_000;

/** A user's `retry(id)` is good for so many milliseconds: discovery and waiting for a turn take their time. */
const BYPASS_MS = 600_000;

/** Origins, and released subscriptions, remembered at most. */
const MAX_REMEMBERED = 10_000;

/** A redirect led to an origin that wants to be left alone. */
export class RateLimitedError extends Error {
  override readonly name = 'HeldOriginError';
  /** When to ask again, in epoch milliseconds. */
  readonly until: number;

  constructor(url: string, until: number) {
    super(`${originOf(url)} answered 429 a while ago and is left alone`);
    this.until = until;
  }
}

/** A subscribe request that is about to leave. */
export interface OutgoingRequest {
  readonly subscriptionId: string;
  readonly grantId: string;
  /** When the lease that it is to renew ends (epoch milliseconds); undefined where nothing is delivered. */
  readonly expiresAt?: number | undefined;
}

interface LimitedOrigin {
  until: number;
  /** When the next urgent request may leave. */
  nextUrgentAt: number;
  /** When urgent requests leave, by grant. */
  readonly slots: Map<string, number>;
}

/** Subscriptions whose user wants them asked for at once, each grant once. */
interface Bypass {
  readonly at: number;
  readonly usedKeys: Set<string>;
}

/** The options of the holds. */
export interface OriginRateLimitsOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Origins that answered 429 with `Retry-After`: subscribe requests to them wait until that is over (PROTOCOL S3). Kept in
 * memory; when a request was put off is kept with its grant.
 */
export class OriginRateLimits {
  readonly #options: OriginRateLimitsOptions;
  readonly #limited = new Map<string, LimitedOrigin>();
  readonly #bypasses = new Map<string, Bypass>();

  constructor(options: OriginRateLimitsOptions) {
    this.#options = options;
  }

  /**
   * Begins or extends the hold of a URL's origin.
   *
   * @returns until when (epoch milliseconds) where it begins; undefined where it was held already, or is not held
   */
  limit(url: string, retryAfterSeconds: number): number | undefined {
    if (retryAfterSeconds <= 0) return undefined;
    const now = this.#options.now();
    const until = now + Math.min(retryAfterSeconds * 1000, MAX_RATE_LIMIT_MS);
    const origin = originOf(url);
    const limited = this.#limitedAt(origin);
    if (limited !== undefined) {
      limited.until = Math.max(limited.until, until);
      return undefined;
    }
    setBounded(this.#limited, origin, { until, nextUrgentAt: now, slots: new Map() });
    return until;
  }

  /** The user wants a subscription asked for at once, whatever its hub said. */
  bypass(subscriptionId: string): void {
    this.#bypasses.delete(subscriptionId);
    setBounded(this.#bypasses, subscriptionId, { at: this.#options.now(), usedKeys: new Set() });
  }

  /** Whether a request would be put off, without deciding it. */
  wouldDefer(url: string, request: OutgoingRequest): boolean {
    if (this.#limited.size === 0) return false;
    const limited = this.#limitedAt(originOf(url));
    return (
      limited !== undefined && !this.#isBypassed(url, request) && this.#slotOf(limited, request) > this.#options.now()
    );
  }

  /**
   * Decides whether a request leaves now.
   *
   * @returns undefined where it leaves; else when to come again (epoch milliseconds)
   */
  deferUntil(url: string, request: OutgoingRequest): number | undefined {
    if (this.#limited.size === 0) return undefined;
    const limited = this.#limitedAt(originOf(url));
    if (limited === undefined) return undefined;
    if (this.#isBypassed(url, request)) {
      this.#bypasses.get(request.subscriptionId)?.usedKeys.add(bypassKey(url, request));
      return undefined;
    }
    const slot = this.#slotOf(limited, request);
    // A turn that would come too late is not taken.
    if (slot >= limited.until) return limited.until + Math.floor(this.#options.random() * spreadMs(limited, request));
    if (!limited.slots.has(request.grantId)) limited.nextUrgentAt = slot + URGENT_INTERVAL_MS;
    if (slot > this.#options.now()) {
      limited.slots.set(request.grantId, slot);
      return slot;
    }
    limited.slots.delete(request.grantId);
    return undefined;
  }

  /** When an urgent request may leave; Infinity for one that is not. */
  #slotOf(limited: LimitedOrigin, { grantId, expiresAt = Infinity }: OutgoingRequest): number {
    if (expiresAt > limited.until) return Infinity;
    return limited.slots.get(grantId) ?? Math.max(this.#options.now(), limited.nextUrgentAt);
  }

  #limitedAt(origin: string): LimitedOrigin | undefined {
    const limited = this.#limited.get(origin);
    if (limited === undefined) return undefined;
    const leftMs = limited.until - this.#options.now();
    // By a clock that was set back it would last for longer than it was meant to.
    if (leftMs > 0 && leftMs <= MAX_RATE_LIMIT_MS) return limited;
    this.#limited.delete(origin);
    return undefined;
  }

  #isBypassed(url: string, request: OutgoingRequest): boolean {
    const { subscriptionId } = request;
    const bypass = this.#bypasses.get(subscriptionId);
    if (bypass === undefined) return false;
    const age = this.#options.now() - bypass.at;
    if (age >= 0 && age < BYPASS_MS) return !bypass.usedKeys.has(bypassKey(url, request));
    this.#bypasses.delete(subscriptionId);
    return false;
  }
}

/** Over how long requests are spread after a hold; less for one whose lease ends soon after it. */
function spreadMs({ until }: LimitedOrigin, { expiresAt = Infinity }: OutgoingRequest): number {
  return expiresAt > until ? Math.min(SPREAD_MS, (expiresAt - until) / 2) : SPREAD_MS;
}

/** Adds an entry, and forgets the oldest where there are too many. */
function setBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  if (map.size <= MAX_REMEMBERED) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

/** A release passes each origin once for each grant: a hub and where it redirects may both be held. */
function bypassKey(url: string, { grantId }: OutgoingRequest): string {
  return `${grantId} ${originOf(url)}`;
}
