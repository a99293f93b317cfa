import type { EngineContext } from '../../engine/engine-context.js';
import { originOf } from '../http/origin.js';

/** Maximum duration of a rate limit, in milliseconds. A longer `Retry-After` of a 429 is cut to it (PROTOCOL S3). */
export const MAX_RATE_LIMIT_MS = 3_600_000;

/** After a rate limit, deferred requests are spread over this many milliseconds. */
const SPREAD_MS = 60_000;

/** Milliseconds between urgent requests to a rate limited origin. Urgent: the lease would end during the limit. */
const URGENT_INTERVAL_MS = 60_000;

/** How long a user's `retry(id)` bypasses limits, in milliseconds. Long enough for discovery and a free slot. */
const BYPASS_MS = 600_000;

/** Maximum number of remembered rate limits, and of remembered bypasses. */
const MAX_REMEMBERED = 10_000;

/** A redirect led to a rate limited origin, so the request was deferred. */
export class RateLimitedError extends Error {
  override readonly name = 'RateLimitedError';
  /** Time of the next attempt, in epoch milliseconds. */
  readonly until: number;

  constructor(url: string, until: number) {
    super(`${originOf(url)} answered 429 earlier, so the request is deferred`);
    this.until = until;
  }
}

/** A subscribe request that is ready to be sent. */
export interface DeferrableRequest {
  readonly subscriptionId: string;
  readonly grantId: string;
  /** End of the lease that the request renews, in epoch milliseconds; undefined if the grant does not work. */
  readonly expiresAt?: number | undefined;
}

interface LimitedOrigin {
  until: number;
  /** Time of the next free slot for an urgent request. */
  nextUrgentAt: number;
  /** Reserved slots of urgent requests, by grant. */
  readonly slots: Map<string, number>;
}

/** After `retry(id)`, each grant may ignore the limit once per origin. */
interface Bypass {
  readonly at: number;
  readonly usedKeys: Set<string>;
}

/**
 * Origins that answered 429 with `Retry-After`. Subscribe requests to them wait until that time is over (PROTOCOL S3).
 *
 * Limits are in memory only. The time of a deferred request is stored with its grant.
 */
export class OriginRateLimits {
  readonly #context: Pick<EngineContext, 'now' | 'random'>;
  readonly #limited = new Map<string, LimitedOrigin>();
  readonly #bypasses = new Map<string, Bypass>();

  constructor(context: Pick<EngineContext, 'now' | 'random'>) {
    this.#context = context;
  }

  /**
   * Starts or extends the rate limit of the URL's origin.
   *
   * @returns the end of a new limit, in epoch milliseconds; undefined if the origin was already limited, or if
   *   `retryAfterSeconds` is not positive
   */
  limit(url: string, retryAfterSeconds: number): number | undefined {
    if (retryAfterSeconds <= 0) return undefined;
    const now = this.#context.now();
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

  /** Lets the next requests of a subscription ignore rate limits: the user called `retry(id)`. */
  bypass(subscriptionId: string): void {
    this.#bypasses.delete(subscriptionId);
    setBounded(this.#bypasses, subscriptionId, { at: this.#context.now(), usedKeys: new Set() });
  }

  /** Whether a request would be deferred now. Reserves no slot. */
  wouldDefer(url: string, request: DeferrableRequest): boolean {
    if (this.#limited.size === 0) return false;
    const limited = this.#limitedAt(originOf(url));
    return (
      limited !== undefined && !this.#isBypassed(url, request) && this.#slotOf(limited, request) > this.#context.now()
    );
  }

  /**
   * Decides whether a request may be sent now. Reserves a slot for a deferred urgent request.
   *
   * @returns undefined to send it now; else the time of the next attempt, in epoch milliseconds
   */
  deferUntil(url: string, request: DeferrableRequest): number | undefined {
    if (this.#limited.size === 0) return undefined;
    const limited = this.#limitedAt(originOf(url));
    if (limited === undefined) return undefined;
    if (this.#isBypassed(url, request)) {
      this.#bypasses.get(request.subscriptionId)?.usedKeys.add(bypassKey(url, request));
      return undefined;
    }
    const slot = this.#slotOf(limited, request);
    // Not urgent, or the next slot is after the end of the limit: wait for that end.
    if (slot >= limited.until) return limited.until + Math.floor(this.#context.random() * spreadMs(limited, request));
    if (!limited.slots.has(request.grantId)) limited.nextUrgentAt = slot + URGENT_INTERVAL_MS;
    if (slot > this.#context.now()) {
      limited.slots.set(request.grantId, slot);
      return slot;
    }
    limited.slots.delete(request.grantId);
    return undefined;
  }

  /** Time of the slot of an urgent request; Infinity if the request is not urgent. */
  #slotOf(limited: LimitedOrigin, { grantId, expiresAt = Infinity }: DeferrableRequest): number {
    if (expiresAt > limited.until) return Infinity;
    return limited.slots.get(grantId) ?? Math.max(this.#context.now(), limited.nextUrgentAt);
  }

  #limitedAt(origin: string): LimitedOrigin | undefined {
    const limited = this.#limited.get(origin);
    if (limited === undefined) return undefined;
    const remainingMs = limited.until - this.#context.now();
    // A limit that is too long means that the clock was set back.
    if (remainingMs > 0 && remainingMs <= MAX_RATE_LIMIT_MS) return limited;
    this.#limited.delete(origin);
    return undefined;
  }

  #isBypassed(url: string, request: DeferrableRequest): boolean {
    const { subscriptionId } = request;
    const bypass = this.#bypasses.get(subscriptionId);
    if (bypass === undefined) return false;
    const age = this.#context.now() - bypass.at;
    if (age >= 0 && age < BYPASS_MS) return !bypass.usedKeys.has(bypassKey(url, request));
    this.#bypasses.delete(subscriptionId);
    return false;
  }
}

/**
 * Spread of deferred requests after a rate limit, in milliseconds. If the lease ends after the limit, at most half of
 * the time between the two ends.
 */
function spreadMs({ until }: LimitedOrigin, { expiresAt = Infinity }: DeferrableRequest): number {
  return expiresAt > until ? Math.min(SPREAD_MS, (expiresAt - until) / 2) : SPREAD_MS;
}

/** Sets a value, and removes the oldest one if there are too many. */
function setBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value);
  if (map.size <= MAX_REMEMBERED) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

/** A bypass works once per grant and origin: the hub and its redirect target may both be rate limited. */
function bypassKey(url: string, { grantId }: DeferrableRequest): string {
  return `${grantId} ${originOf(url)}`;
}
