import type { SubscriptionRequest } from './subscription-request.js';

/**
 * Where a subscription stands at the hub: `pending` asked for, not verified; `active`; `lapsed` its lease ran out;
 * `refused` the subscriber did not confirm it; `denied` by the hub; `unsubscribed`; `gone` the callback answered 410, or did
 * not accept content of a hub with `dropOnFailure`.
 */
export type HubSubscriptionState = 'pending' | 'active' | 'lapsed' | 'refused' | 'denied' | 'unsubscribed' | 'gone';

/** A topic and a callback: what a hub knows a subscription by. */
export interface SubscriptionKey {
  readonly topic: string;
  readonly callback: string;
}

/** A subscription as it stood when it was read. */
export interface HubSubscription extends SubscriptionKey {
  readonly state: HubSubscriptionState;
  readonly requestedAt: Date;
  /** The last time the subscriber confirmed it. */
  readonly verifiedAt?: Date;
  /** Seconds granted at the last verification; undefined before it and when perpetual. */
  readonly leaseSeconds?: number;
  /** Undefined when it does not lapse. */
  readonly expiresAt?: Date;
  /** What content is signed with: of the last request that was verified. */
  readonly secret?: string;
}

interface SubscriptionRow extends HubSubscription {
  /** The last request for it. */
  readonly request: SubscriptionRequest;
  /** How often it ended: a verification under way when it did no longer counts. */
  readonly endCount: number;
}

/** What a confirmed verification grants. */
interface VerifiedGrant {
  readonly leaseSeconds: number | undefined;
  readonly secret: string | undefined;
  readonly endCount: number;
}

type EndState = Exclude<HubSubscriptionState, 'pending' | 'active' | 'lapsed'>;

/** The hub's subscriptions, kept also after they ended. */
export class SubscriptionTable {
  readonly #rows = new Map<string, SubscriptionRow>();
  readonly #everRequested = new Set<string>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  all(): HubSubscription[] {
    return [...this.#rows.values()].map((entry) => this.#snapshot(entry));
  }

  find(key: SubscriptionKey): HubSubscription | undefined {
    const entry = this.#rows.get(keyOf(key));
    return entry && this.#snapshot(entry);
  }

  /** Those that content of the topic (of any, when left out) is sent to: verified and within their lease. */
  active(topic?: string): HubSubscription[] {
    return this.live(topic).filter(({ state }) => state === 'active');
  }

  /** Those that are not over: asked for, or active. */
  live(topic?: string): HubSubscription[] {
    return this.all().filter(
      ({ state, topic: its }) => (state === 'pending' || state === 'active') && (topic === undefined || its === topic),
    );
  }

  /** Notes that a subscription was asked for, whatever becomes of the request. */
  markRequested(key: SubscriptionKey): void {
    this.#everRequested.add(keyOf(key));
  }

  wasRequested(key: SubscriptionKey): boolean {
    return this.#everRequested.has(keyOf(key));
  }

  /**
   * Notes a request that is served. A subscription that is active stays as it is until the request is verified, and so does one to be
   * unsubscribed. With `takesSecret` content is signed with the request's secret at once.
   */
  recordRequest(request: SubscriptionRequest, { takesSecret = false }: { readonly takesSecret?: boolean } = {}): void {
    const row = this.#rows.get(keyOf(request));
    const requestedAt = new Date(this.#now());
    if (row && (request.mode === 'unsubscribe' || this.#stateOf(row) === 'active')) {
      const { secret, ...kept } = row;
      const signing = takesSecret && request.mode === 'subscribe' ? request.secret : secret;
      this.#put({ ...kept, ...(signing !== undefined && { secret: signing }), request, requestedAt });
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
   * Notes a confirmed verification: the lease counts from now, and the secret of that request is the one from now on.
   * `endings` as it was when the verification began; a subscription that ended since then stays ended.
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
      request: request,
      endCount: endCount,
      state: 'active',
      verifiedAt: new Date(now),
      ...(leaseSeconds !== undefined && { leaseSeconds }),
      ...(leaseSeconds !== undefined && leaseSeconds > 0 && { expiresAt: new Date(now + leaseSeconds * 1000) }),
      ...(secret !== undefined && { secret }),
    });
  }

  /** Ends a subscription, if there is one. */
  end(key: SubscriptionKey, state: EndState): void {
    const row = this.#rows.get(keyOf(key));
    if (row) this.#put({ ...row, state, endCount: row.endCount + 1 });
  }

  endCountOf(key: SubscriptionKey): number {
    return this.#rows.get(keyOf(key))?.endCount ?? 0;
  }

  #put(entry: SubscriptionRow): void {
    this.#rows.set(keyOf(entry), entry);
  }

  #stateOf({ state, expiresAt }: SubscriptionRow): HubSubscriptionState {
    return state === 'active' && expiresAt && expiresAt.getTime() <= this.#now() ? 'lapsed' : state;
  }

  #snapshot(entry: SubscriptionRow): HubSubscription {
    const { endCount: _endings, request: _asked, ...subscription } = entry;
    return { ...subscription, state: this.#stateOf(entry) };
  }
}

function keyOf({ topic, callback }: SubscriptionKey): string {
  return JSON.stringify([topic, callback]);
}
