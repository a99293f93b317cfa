import { DAY } from '../machine/subscription-machine.js';
import type { Timeline } from '../machine/timeline.js';

/**
 * How a hub denies: it forgets the subscription, keeps it and delivers on, denies renewals only, or approves half a
 * minute later.
 */
export type Denies = 'nothing' | 'and forgets' | 'and keeps' | 'renewals' | 'and verifies later';

/** The behavior of a hub, good or bad. */
export interface HubBehavior {
  readonly answer: 'accepts' | 'loses the answer' | 'breaks' | 'refuses' | 'is busy' | 'is down' | 'moves';
  readonly answerSeconds: number;
  /** Seconds from the request to the verification, which may be before its answer. Undefined: it never verifies. */
  readonly verifySeconds: number | undefined;
  readonly verifications: 1 | 2;
  /** `hub.lease_seconds` of its verification. */
  readonly lease: string | undefined;
  /** Whether and how it denies subscribe requests. */
  readonly denies: Denies;
  /** Whether it reports an error a second after a verification. */
  readonly reportsError: boolean;
  /** When it switches to a new secret: real hubs do either. */
  readonly takesSecretAt: 'request' | 'verification';
  readonly retryAfterSeconds: number;
}

/** A hub that follows the specification. */
export const GOOD_BEHAVIOR: HubBehavior = {
  answer: 'accepts',
  answerSeconds: 1,
  verifySeconds: 2,
  verifications: 1,
  lease: '864000',
  denies: 'nothing',
  reportsError: false,
  takesSecretAt: 'verification',
  retryAfterSeconds: 0,
};

/** A request of a subscriber to a hub. */
export interface HubRequest {
  readonly url: string;
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly topic: string;
  readonly callback: string;
  /** Null if none is sent. */
  readonly secret: string | null;
}

/** The result of a request, as the subscriber sees it. */
export type HubAnswer =
  | { readonly type: 'accepted'; readonly hub: string; readonly moved: boolean }
  | { readonly type: 'refused' }
  | { readonly type: 'unreachable'; readonly retryAfterSeconds?: number };

/** A hub's GET at a callback. */
export interface Intent {
  readonly mode: 'subscribe' | 'unsubscribe' | 'denied' | 'hub-error';
  readonly topic: string;
  readonly callback: string;
  readonly lease?: string | undefined;
  readonly challenge?: string | undefined;
}

/** A subscription at a hub, by topic and callback. Times are those of the timeline. */
export interface HubSubscription {
  readonly topic: string;
  readonly callback: string;
  leaseEnd: number;
  /** The secret it signs with, and when that was requested. */
  secret: string | null;
  secretRequestedAt: number;
  /** Whether a verification with that secret was confirmed. */
  isVerified: boolean;
}

/** The secret of a request. */
interface RequestedSecret {
  readonly secret: string | null;
  readonly requestedAt: number;
}

/** Sends a GET to a callback. Resolves to true if the answer is the challenge. */
export type Callbacks = (intent: Intent) => Promise<boolean>;

/** The timeout of the HTTP client of the subscriber, in milliseconds. */
const CLIENT_TIMEOUT_MS = 10_000;

/** The longest lease of any hub, in milliseconds. It also replaces an invalid one. */
const LONGEST_HUB_LEASE_MS = 14 * DAY;

/** A hub like real ones: a table by topic and callback that changes when a subscriber confirms. */
export class HubModel {
  behavior = GOOD_BEHAVIOR;
  readonly url: string;
  readonly entries = new Map<string, HubSubscription>();
  readonly #timeline: Timeline;
  readonly #callbacks: Callbacks;
  /** Verifications planned in an earlier generation are not sent. */
  #generation = 0;

  constructor(url: string, timeline: Timeline, callbacks: Callbacks) {
    this.url = url;
    this.#timeline = timeline;
    this.#callbacks = callbacks;
  }

  /** The subscriptions it delivers to now. */
  get live(): readonly HubSubscription[] {
    return [...this.entries.values()].filter(({ leaseEnd }) => leaseEnd > this.#timeline.now);
  }

  /** From now on the hub behaves well, and drops the verifications it had planned. */
  heal(): void {
    this.behavior = GOOD_BEHAVIOR;
    this.#generation += 1;
  }

  async request(request: HubRequest): Promise<HubAnswer> {
    const { answer, answerSeconds, takesSecretAt, retryAfterSeconds } = this.behavior;
    if (answer === 'is down') {
      await this.#timeline.passed(answerSeconds === 0 ? 0 : CLIENT_TIMEOUT_MS);
      return { type: 'unreachable' };
    }
    const known = this.entries.get(keyOf(request));
    if (takesSecretAt === 'request' && request.mode === 'subscribe' && known !== undefined) {
      this.#signWith(known, { secret: request.secret, requestedAt: this.#timeline.now }, false);
    }
    const isProcessed = answer !== 'refuses' && answer !== 'is busy';
    if (isProcessed) this.#verifyLater(request);
    await this.#timeline.passed(answer === 'loses the answer' ? CLIENT_TIMEOUT_MS : answerSeconds * 1000);
    switch (answer) {
      case 'refuses':
        return { type: 'refused' };
      case 'is busy':
        return { type: 'unreachable', retryAfterSeconds };
      case 'breaks':
      case 'loses the answer':
        return { type: 'unreachable' };
      default: {
        const hub = answer === 'moves' ? `${this.url}moved` : request.url;
        return { type: 'accepted', hub, moved: hub !== request.url };
      }
    }
  }

  /** Verifies at a callback. If the secret is undefined, the known one stays. */
  async verify(intent: Intent, requested?: RequestedSecret): Promise<void> {
    const confirmed = await this.#callbacks(intent);
    if (!confirmed) return;
    const key = keyOf(intent);
    if (intent.mode !== 'subscribe') {
      this.entries.delete(key);
      return;
    }
    const { now } = this.#timeline;
    const seconds = Number(intent.lease ?? 0);
    const leaseEnd = now + (seconds > 0 ? Math.min(seconds * 1000, LONGEST_HUB_LEASE_MS) : LONGEST_HUB_LEASE_MS);
    const { topic, callback } = intent;
    const newEntry = { topic, callback, leaseEnd, secret: null, secretRequestedAt: now, isVerified: true };
    const entry: HubSubscription = this.entries.get(key) ?? newEntry;
    entry.leaseEnd = leaseEnd;
    if (requested !== undefined) this.#signWith(entry, requested, true);
    this.entries.set(key, entry);
  }

  /** Denies the subscription. The hub then forgets it; with `isKept` it keeps it and continues to deliver. */
  async deny(topic: string, callback: string, isKept = false): Promise<void> {
    if (!isKept) this.entries.delete(keyOf({ topic, callback }));
    await this.#callbacks({ mode: 'denied', topic, callback });
  }

  #verifyLater(request: HubRequest): void {
    const { verifySeconds, verifications, denies, reportsError } = this.behavior;
    const { mode, topic, callback } = request;
    if (verifySeconds === undefined) return;
    const isApprovedLater = denies === 'and verifies later';
    const schedule = (seconds: number, work: () => Promise<void>): void => this.#later(verifySeconds + seconds, work);
    if (isApprovedLater) schedule(0, () => this.deny(topic, callback, true));
    const verify = this.#verifying(request);
    const decide = async (): Promise<void> => {
      const isKnown = this.live.some((entry) => entry.topic === topic && entry.callback === callback);
      const isDenied = denies === 'and forgets' || denies === 'and keeps' || (denies === 'renewals' && isKnown);
      await (isDenied && mode === 'subscribe' ? this.deny(topic, callback, denies !== 'and forgets') : verify());
    };
    for (let count = 0; count < verifications; count += 1) schedule((isApprovedLater ? 30 : 0) + count * 3, decide);
    if (reportsError) schedule(1, async () => void (await this.#callbacks({ mode: 'hub-error', topic, callback })));
  }

  #verifying({ mode, topic, callback, secret }: HubRequest): () => Promise<void> {
    const { lease } = this.behavior;
    const requested = mode === 'subscribe' ? { secret, requestedAt: this.#timeline.now } : undefined;
    return () => this.verify({ mode, topic, callback, lease }, requested);
  }

  #later(seconds: number, work: () => Promise<void>): void {
    const generation = this.#generation;
    this.#timeline.after(seconds * 1000, () => {
      if (generation === this.#generation) void work();
    });
  }

  #signWith(entry: HubSubscription, { secret, requestedAt }: RequestedSecret, isVerified: boolean): void {
    entry.isVerified = isVerified || (entry.secret === secret && entry.isVerified);
    entry.secret = secret;
    entry.secretRequestedAt = requestedAt;
  }
}

function keyOf({ topic, callback }: { readonly topic: string; readonly callback: string }): string {
  return `${topic}\n${callback}`;
}
