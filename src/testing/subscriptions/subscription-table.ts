import type { SubscriptionRequest } from './subscription-request.js';

/**
 * State of a subscription at the hub:
 * - `pending`: requested, not verified.
 * - `active`: verified and within its lease.
 * - `lapsed`: the lease expired.
 * - `refused`: the subscriber did not confirm it.
 * - `denied`: the hub denied it.
 * - `unsubscribed`: ended by a verified unsubscription.
 * - `gone`: the callback answered 410, or failed at a hub with `dropOnFailure`.
 */
export type HubSubscriptionState = 'pending' | 'active' | 'lapsed' | 'refused' | 'denied' | 'unsubscribed' | 'gone';

/** Topic and callback: together they identify a subscription at a hub. */
export interface SubscriptionKey {
  readonly topic: string;
  readonly callback: string;
}

/** A snapshot of a subscription. */
export interface HubSubscription extends SubscriptionKey {
  readonly state: HubSubscriptionState;
  readonly requestedAt: Date;
  /** Time of the last confirmed verification. */
  readonly verifiedAt?: Date;
  /** Seconds granted at the last verification; undefined before the first one and for a perpetual lease. */
  readonly leaseSeconds?: number;
  /** Time the lease expires; undefined when it never expires. */
  readonly expiresAt?: Date;
  /** Secret that signs content: that of the last verified request, or of a later one with `secretFrom: 'request'`. */
  readonly secret?: string;
}

interface SubscriptionRow extends HubSubscription {
  /** The last request for this subscription. */
  readonly request: SubscriptionRequest;
  /** Number of times it ended. A verification that was in progress then no longer counts. */
  readonly endCount: number;
}

/** The result of a confirmed verification. */
interface VerifiedGrant {
  readonly leaseSeconds: number | undefined;
  readonly secret: string | undefined;
  readonly endCount: number;
}

type EndState = Exclude<HubSubscriptionState, 'pending' | 'active' | 'lapsed'>;

/** The hub's subscriptions, including ended ones. */
export class SubscriptionTable {
  readonly #rows = new Map<string, SubscriptionRow>();
  readonly #everRequested = new Set<string>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  all(): HubSubscription[] {
    return [...this.#rows.values()].map((row) => this.#snapshot(row));
  }

  find(key: SubscriptionKey): HubSubscription | undefined {
    const row = this.#rows.get(keyOf(key));
    return row && this.#snapshot(row);
  }

  /** Active subscriptions: verified and within their lease. Content is sent to these. Omit `topic` for all topics. */
  active(topic?: string): HubSubscription[] {
    return this.live(topic).filter(({ state }) => state === 'active');
  }

  /** Pending and active subscriptions. */
  live(topic?: string): HubSubscription[] {
    return this.all().filter(
      ({ state, topic: subscriptionTopic }) =>
        (state === 'pending' || state === 'active') && (topic === undefined || subscriptionTopic === topic),
    );
  }

  /** Records that a subscription was requested, whether or not the request succeeds. */
  markRequested(key: SubscriptionKey): void {
    this.#everRequested.add(keyOf(key));
  }

  wasRequested(key: SubscriptionKey): boolean {
    return this.#everRequested.has(keyOf(key));
  }

  /**
   * Records a request that the hub serves. A renewal, or an unsubscribe request for a known subscription, keeps its
   * state; any other request makes it `pending`. With `takesSecret`, the secret of a renewal signs content at once.
   */
  recordRequest(request: SubscriptionRequest, { takesSecret = false }: { readonly takesSecret?: boolean } = {}): void {
    const row = this.#rows.get(keyOf(request));
    const requestedAt = new Date(this.#now());
    if (row && (request.mode === 'unsubscribe' || this.#stateOf(row) === 'active')) {
      const { secret, ...unchanged } = row;
      const signingSecret = takesSecret && request.mode === 'subscribe' ? request.secret : secret;
      this.#put({ ...unchanged, ...(signingSecret !== undefined && { secret: signingSecret }), request, requestedAt });
    } else {
      const { topic, callback } = request;
      this.#put({ topic, callback, state: 'pending', requestedAt, request, endCount: row?.endCount ?? 0 });
    }
  }

  /** The last request for a subscription. */
  lastRequest(key: SubscriptionKey): SubscriptionRequest | undefined {
    return this.#rows.get(keyOf(key))?.request;
  }

  /**
   * Records a confirmed verification. The lease starts now, and the request's secret signs content from now on.
   * `grant.endCount` is the count when the verification began. A subscription that ended since then stays ended.
   */
  recordVerified(key: SubscriptionKey, grant: VerifiedGrant): void {
    const row = this.#rows.get(keyOf(key));
    if (!row || row.endCount !== grant.endCount) return;
    const now = this.#now();
    const { leaseSeconds, secret } = grant;
    const { topic, callback, requestedAt, request, endCount } = row;
    this.#put({
      topic,
      callback,
      requestedAt,
      request,
      endCount,
      state: 'active',
      verifiedAt: new Date(now),
      ...(leaseSeconds !== undefined && { leaseSeconds }),
      ...(leaseSeconds !== undefined && leaseSeconds > 0 && { expiresAt: new Date(now + leaseSeconds * 1000) }),
      ...(secret !== undefined && { secret }),
    });
  }

  /** Ends a subscription, if it exists. */
  end(key: SubscriptionKey, state: EndState): void {
    const row = this.#rows.get(keyOf(key));
    if (row) this.#put({ ...row, state, endCount: row.endCount + 1 });
  }

  endCountOf(key: SubscriptionKey): number {
    return this.#rows.get(keyOf(key))?.endCount ?? 0;
  }

  #put(row: SubscriptionRow): void {
    this.#rows.set(keyOf(row), row);
  }

  #stateOf({ state, expiresAt }: SubscriptionRow): HubSubscriptionState {
    return state === 'active' && expiresAt && expiresAt.getTime() <= this.#now() ? 'lapsed' : state;
  }

  #snapshot(row: SubscriptionRow): HubSubscription {
    const { endCount: _endCount, request: _request, ...subscription } = row;
    return { ...subscription, state: this.#stateOf(row) };
  }
}

function keyOf({ topic, callback }: SubscriptionKey): string {
  return JSON.stringify([topic, callback]);
}
