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

interface Entry extends HubSubscription {
  /** The last request for it. */
  readonly asked: SubscriptionRequest;
  /** How often it ended: a verification under way when it did no longer counts. */
  readonly endings: number;
}

/** What a confirmed verification grants. */
interface VerifiedGrant {
  readonly leaseSeconds: number | undefined;
  readonly secret: string | undefined;
  readonly endings: number;
}

type EndState = Exclude<HubSubscriptionState, 'pending' | 'active' | 'lapsed'>;

/** The hub's subscriptions, kept also after they ended. */
export class SubscriptionTable {
  readonly #entries = new Map<string, Entry>();
  readonly #everAskedFor = new Set<string>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  all(): HubSubscription[] {
    return [...this.#entries.values()].map((entry) => this.#snapshot(entry));
  }

  find(key: SubscriptionKey): HubSubscription | undefined {
    const entry = this.#entries.get(keyOf(key));
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
  askedFor(key: SubscriptionKey): void {
    this.#everAskedFor.add(keyOf(key));
  }

  wasAskedFor(key: SubscriptionKey): boolean {
    return this.#everAskedFor.has(keyOf(key));
  }

  /**
   * Notes a request that is served. A subscription that is active stays as it is until the request is verified, and so does one to be
   * unsubscribed. With `takesSecret` content is signed with the request's secret at once.
   */
  requested(asked: SubscriptionRequest, { takesSecret = false }: { readonly takesSecret?: boolean } = {}): void {
    const before = this.#entries.get(keyOf(asked));
    const requestedAt = new Date(this.#now());
    if (before && (asked.mode === 'unsubscribe' || this.#stateOf(before) === 'active')) {
      const { secret, ...kept } = before;
      const signing = takesSecret && asked.mode === 'subscribe' ? asked.secret : secret;
      this.#put({ ...kept, ...(signing !== undefined && { secret: signing }), asked, requestedAt });
    } else {
      const { topic, callback } = asked;
      this.#put({ topic, callback, state: 'pending', requestedAt, asked, endings: before?.endings ?? 0 });
    }
  }

  /** The last request for a subscription. */
  lastRequest(key: SubscriptionKey): SubscriptionRequest | undefined {
    return this.#entries.get(keyOf(key))?.asked;
  }

  /**
   * Notes a confirmed verification: the lease counts from now, and the secret of that request is the one from now on.
   * `endings` as it was when the verification began; a subscription that ended since then stays ended.
   */
  verified(key: SubscriptionKey, grant: VerifiedGrant): void {
    const entry = this.#entries.get(keyOf(key));
    if (!entry || entry.endings !== grant.endings) return;
    const now = this.#now();
    const { leaseSeconds, secret } = grant;
    const { topic, callback, requestedAt, asked, endings } = entry;
    this.#put({
      topic,
      callback,
      requestedAt,
      asked,
      endings,
      state: 'active',
      verifiedAt: new Date(now),
      ...(leaseSeconds !== undefined && { leaseSeconds }),
      ...(leaseSeconds !== undefined && leaseSeconds > 0 && { expiresAt: new Date(now + leaseSeconds * 1000) }),
      ...(secret !== undefined && { secret }),
    });
  }

  /** Ends a subscription, if there is one. */
  ended(key: SubscriptionKey, state: EndState): void {
    const entry = this.#entries.get(keyOf(key));
    if (entry) this.#put({ ...entry, state, endings: entry.endings + 1 });
  }

  endingsOf(key: SubscriptionKey): number {
    return this.#entries.get(keyOf(key))?.endings ?? 0;
  }

  #put(entry: Entry): void {
    this.#entries.set(keyOf(entry), entry);
  }

  #stateOf({ state, expiresAt }: Entry): HubSubscriptionState {
    return state === 'active' && expiresAt && expiresAt.getTime() <= this.#now() ? 'lapsed' : state;
  }

  #snapshot(entry: Entry): HubSubscription {
    const { endings: _endings, asked: _asked, ...subscription } = entry;
    return { ...subscription, state: this.#stateOf(entry) };
  }
}

function keyOf({ topic, callback }: SubscriptionKey): string {
  return JSON.stringify([topic, callback]);
}
