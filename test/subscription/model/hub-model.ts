import { DAY } from '../machine/life.js';
import type { Timeline } from '../machine/timeline.js';

/**
 * How a hub denies: it forgets what it had, keeps it and delivers on, denies only what it has already, or approves half a
 * minute later.
 */
export type Denies = 'nothing' | 'and forgets' | 'and keeps' | 'renewals' | 'and verifies later';

/** How a hub behaves, for better or worse. */
export interface HubManners {
  readonly answer: 'accepts' | 'loses the answer' | 'breaks' | 'refuses' | 'is busy' | 'is down' | 'moves';
  readonly answerSeconds: number;
  /** When it verifies, counted from the request: before its answer even, or never. */
  readonly verifySeconds: number | undefined;
  readonly verifications: 1 | 2;
  /** `hub.lease_seconds` as it stands in its verification. */
  readonly lease: string | undefined;
  /** How it answers subscribe requests with a denial, if it does. */
  readonly denies: Denies;
  /** Whether it reports an error of its own a second after a verification. */
  readonly errs: boolean;
  /** When what it signs with changes: real hubs do either. */
  readonly takesSecretAt: 'request' | 'verification';
  readonly retryAfterSeconds: number;
}

/** A hub that does what the specification says. */
export const GOOD_MANNERS: HubManners = {
  answer: 'accepts',
  answerSeconds: 1,
  verifySeconds: 2,
  verifications: 1,
  lease: '864000',
  denies: 'nothing',
  errs: false,
  takesSecretAt: 'verification',
  retryAfterSeconds: 0,
};

/** What a subscriber asks a hub for. */
export interface HubRequest {
  readonly url: string;
  readonly mode: 'subscribe' | 'unsubscribe';
  readonly topic: string;
  readonly callback: string;
  /** Null where none is sent. */
  readonly secret: string | null;
}

/** What the subscriber learns of its request. */
export type HubAnswer =
  | { readonly type: 'accepted'; readonly hub: string; readonly moved: boolean }
  | { readonly type: 'refused' }
  | { readonly type: 'unreachable'; readonly retryAfterSeconds?: number };

/** A hub's GET on a callback. */
export interface Intent {
  readonly mode: 'subscribe' | 'unsubscribe' | 'denied' | 'hub-error';
  readonly topic: string;
  readonly callback: string;
  readonly lease?: string | undefined;
  readonly challenge?: string | undefined;
}

/** What a hub holds under a topic and a callback. Times are those of the timeline. */
export interface HubEntry {
  readonly topic: string;
  readonly callback: string;
  leaseEnd: number;
  /** What it signs with, and when it was asked to. */
  secret: string | null;
  secretAskedAt: number;
  /** Whether a verification with that secret was confirmed. */
  isVerified: boolean;
}

/** What a request wants content to be signed with. */
interface AskedSecret {
  readonly secret: string | null;
  readonly askedAt: number;
}

/** How hubs reach whoever listens at a callback: true where the answer is the challenge. */
export type Callbacks = (intent: Intent) => Promise<boolean>;

/** As long as a subscriber's HTTP client waits. */
const PATIENCE_MS = 10_000;

/** No hub grants a longer lease, whatever it says; nor does one whose words make no sense. */
const LONGEST_HUB_LEASE_MS = 14 * DAY;

/** A hub as real ones are: a table by topic and callback, that changes when a subscriber confirms. */
export class HubModel {
  manners = GOOD_MANNERS;
  readonly url: string;
  readonly entries = new Map<string, HubEntry>();
  readonly #timeline: Timeline;
  readonly #callbacks: Callbacks;
  /** Verifications of an age that is over do not come any more. */
  #age = 0;

  constructor(url: string, timeline: Timeline, callbacks: Callbacks) {
    this.url = url;
    this.#timeline = timeline;
    this.#callbacks = callbacks;
  }

  /** What it delivers to now. */
  get live(): readonly HubEntry[] {
    return [...this.entries.values()].filter(({ leaseEnd }) => leaseEnd > this.#timeline.now);
  }

  /** From now on it behaves, and does not come back to what it was asked before. */
  heal(): void {
    this.manners = GOOD_MANNERS;
    this.#age += 1;
  }

  async request(request: HubRequest): Promise<HubAnswer> {
    const { answer, answerSeconds, takesSecretAt, retryAfterSeconds } = this.manners;
    if (answer === 'is down') {
      await this.#timeline.passed(answerSeconds === 0 ? 0 : PATIENCE_MS);
      return { type: 'unreachable' };
    }
    const known = this.entries.get(keyOf(request));
    if (takesSecretAt === 'request' && request.mode === 'subscribe' && known !== undefined) {
      this.#signWith(known, { secret: request.secret, askedAt: this.#timeline.now }, false);
    }
    const isTaken = answer !== 'refuses' && answer !== 'is busy';
    if (isTaken) this.#verifyLater(request);
    await this.#timeline.passed(answer === 'loses the answer' ? PATIENCE_MS : answerSeconds * 1000);
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

  /** Asks whoever listens whether it was meant. The secret is undefined where the one there is stays. */
  async verify(intent: Intent, asked?: AskedSecret): Promise<void> {
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
    const none = { topic, callback, leaseEnd, secret: null, secretAskedAt: now, isVerified: true };
    const entry: HubEntry = this.entries.get(key) ?? none;
    entry.leaseEnd = leaseEnd;
    if (asked !== undefined) this.#signWith(entry, asked, true);
    this.entries.set(key, entry);
  }

  /** Says no, and forgets what it had, or goes on delivering. */
  async deny(topic: string, callback: string, isKept = false): Promise<void> {
    if (!isKept) this.entries.delete(keyOf({ topic, callback }));
    await this.#callbacks({ mode: 'denied', topic, callback });
  }

  #verifyLater(request: HubRequest): void {
    const { verifySeconds, verifications, denies, errs } = this.manners;
    const { mode, topic, callback } = request;
    if (verifySeconds === undefined) return;
    const isApprovedLater = denies === 'and verifies later';
    const at = (seconds: number, work: () => Promise<void>): void => this.#later(verifySeconds + seconds, work);
    if (isApprovedLater) at(0, () => this.deny(topic, callback, true));
    const verify = this.#verifying(request);
    const decide = async (): Promise<void> => {
      const isKnown = this.live.some((entry) => entry.topic === topic && entry.callback === callback);
      const isDenied = denies === 'and forgets' || denies === 'and keeps' || (denies === 'renewals' && isKnown);
      await (isDenied && mode === 'subscribe' ? this.deny(topic, callback, denies !== 'and forgets') : verify());
    };
    for (let time = 0; time < verifications; time += 1) at((isApprovedLater ? 30 : 0) + time * 3, decide);
    if (errs) at(1, async () => void (await this.#callbacks({ mode: 'hub-error', topic, callback })));
  }

  #verifying({ mode, topic, callback, secret }: HubRequest): () => Promise<void> {
    const { lease } = this.manners;
    const asked = mode === 'subscribe' ? { secret, askedAt: this.#timeline.now } : undefined;
    return () => this.verify({ mode, topic, callback, lease }, asked);
  }

  #later(seconds: number, work: () => Promise<void>): void {
    const age = this.#age;
    this.#timeline.after(seconds * 1000, () => {
      if (age === this.#age) void work();
    });
  }

  #signWith(entry: HubEntry, { secret, askedAt }: AskedSecret, isVerified: boolean): void {
    entry.isVerified = isVerified || (entry.secret === secret && entry.isVerified);
    entry.secret = secret;
    entry.secretAskedAt = askedAt;
  }
}

function keyOf({ topic, callback }: { readonly topic: string; readonly callback: string }): string {
  return `${topic}\n${callback}`;
}
