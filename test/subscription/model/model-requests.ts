import type { GrantRecord } from '../../../src/subscription/record/record.js';
import type { HubAnswer, HubModel, HubRequest } from './hub-model.js';
import { DAY } from '../machine/subscription-machine.js';
import type { Expect, Watched } from './model-setup.js';

const MINUTE = 60_000;

/** More requests than this in a day are a storm, except those that a verification followed. */
export const MAX_REQUESTS_A_DAY = 150;

/** Each unsolicited denial may cause a request under a fresh callback, and an unsubscribe of the old one. */
const REQUESTS_PER_DENIAL = 4;

/** A request that was sent. Times are those of hubs. */
interface SentRequest {
  readonly at: number;
  readonly grantId: string;
  readonly callback: string;
  readonly mode: 'subscribe' | 'unsubscribe';
}

/** The wait that a hub's denials and refusals in a row cause (PROTOCOL N2). */
interface Wait {
  readonly refusals: number;
  /** The start and the end of the wait. */
  readonly since: number;
  readonly until: number;
}

/** Tracks when hubs are requested, and records requests that are too early or too frequent. */
export class RequestWatch {
  /** Number of requests sent. */
  requestCount = 0;
  readonly #world: Watched;
  readonly #expect: Expect;
  #sent: SentRequest[] = [];
  /** The times of unsolicited denials that were answered. */
  #denials: number[] = [];
  /** Grants whose last request has no explanation yet for a repetition. */
  readonly #unexplained = new Set<string>();
  /** Waits by hub and topic, and the `Retry-After` waits by grant. */
  readonly #waits = new Map<string, Wait>();
  /** By grant: the denials of open requests. */
  readonly #denied = new Map<string, { readonly place: string; readonly at: number }>();
  #userAt = -Infinity;

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  /** Another cause than a failure explains that hubs are requested again at once. */
  explained(): void {
    this.#unexplained.clear();
  }

  /** The user wants a request at a hub now. */
  onUserCall(): void {
    this.#unexplained.clear();
    this.#userAt = this.#world.timeline.now;
  }

  /** Waits after failures end now. Waits after denials and refusals stay. */
  onReset(): void {
    this.#unexplained.clear();
    for (const [key, { refusals }] of this.#waits) if (refusals === 0) this.#waits.delete(key);
  }

  /** All waits end. */
  forgetWaits(): void {
    this.#waits.clear();
    this.#denied.clear();
  }

  onRequest(hub: HubModel, { mode, callback }: HubRequest, grant: GrantRecord): void {
    const { now } = this.#world.timeline;
    this.requestCount += 1;
    const key = `${mode} ${grant.id}`;
    const last = this.#sent.findLast(
      (sent) => sent.grantId === grant.id && sent.mode === mode && sent.callback === callback,
    );
    // A second request may have waited for an open one.
    const isQueued = this.#sent.some((sent) => sent !== last && sent.grantId === grant.id && now - sent.at <= 10_000);
    const isUserCall = now - this.#userAt <= 10_000 + this.#pacedMs;
    const isExplained = last === undefined || hasExpired(grant, last.at, this.#world) || isUserCall || isQueued;
    this.#expect(
      isExplained || !this.#unexplained.has(key) || now - last.at >= 1_000,
      `L2 ${hub.url} is requested twice within a second for one grant`,
    );
    this.#unexplained.add(key);
    const place = placeOf(grant);
    if (mode === 'subscribe') this.#checkWait(place, grant);
    else this.#forget(place, grant.id);
    this.#sent = this.#sent.filter(({ at }) => at > now - DAY);
    this.#sent.push({ at: now, grantId: grant.id, callback, mode });
    this.#denials = this.#denials.filter((at) => at > now - DAY);
    const maxRequests = MAX_REQUESTS_A_DAY + REQUESTS_PER_DENIAL * this.#denials.length;
    this.#expect(this.#sent.length <= maxRequests, `L2 a storm: more than ${maxRequests} requests in a day`);
  }

  /** How long a discovery and the request after it wait for their turns. */
  get #pacedMs(): number {
    return 2 * this.#world.setup.paceSeconds * 1000;
  }

  /** An unsubscribe was undone, and its hub is requested again. */
  onUnsubscribeUndone(grant: GrantRecord): void {
    this.#forget(placeOf(grant), grant.id);
  }

  #forget(place: string, grantId: string): void {
    for (const key of [place, grantId]) this.#waits.delete(key);
    for (const [id, denial] of this.#denied) if (denial.place === place) this.#denied.delete(id);
  }

  /** N2: a hub that denied or refused gets no request before its wait ends, except at the end of a lease. */
  #checkWait(place: string, grant: GrantRecord): void {
    const { now } = this.#world.timeline;
    for (const [id, denial] of this.#denied) {
      if (denial.place !== place) continue;
      this.#denied.delete(id);
      this.#startWait(place, denial.at);
    }
    for (const key of [place, grant.id]) {
      const { until, since, refusals } = this.#waits.get(key) ?? { until: 0, since: 0, refusals: 0 };
      const isUserCall = now - this.#userAt <= 100_000 + this.#pacedMs;
      const isExplained = isUserCall || this.#hasEnded(grant, since);
      // The user requested the hub before that. The wait is over, and the next one still grows.
      if (isUserCall && now < until) this.#waits.set(key, { refusals, since, until: now });
      const earlySeconds = Math.round((until - now) / 1000);
      this.#expect(
        now >= until || isExplained,
        `${refusals === 0 ? 'S3' : 'N2'} ${place} is requested ${earlySeconds} s too early after ${refusals} refusals`,
      );
    }
  }

  /** Whether a lease that a hub granted to a request has ended there since. */
  #hasEnded(grant: GrantRecord, since: number): boolean {
    const { record, skew, timeline } = this.#world;
    return [grant, ...(record?.grants ?? [])].some((other) => {
      const { state, expiresAt = 0, grantedAt, leaseSeconds = 0, provisional } = other;
      if (grantedAt === undefined || !isSamePlace(other, grant)) return false;
      const hasLapsed = state === 'expired' || state === 'unsubscribed';
      // An unsolicited verification may have come since, while the request at the end of the lease still waits to be
      // sent.
      const isResumed = state === 'active' && provisional === true;
      const at = (isResumed ? grantedAt + leaseSeconds * 1000 : expiresAt) - skew;
      return (hasLapsed || isResumed) && at >= since && at <= timeline.now;
    });
  }

  #startWait(place: string, at: number): void {
    const waitBefore = this.#waits.get(place);
    // Two grants that are requested at the same time count as one refusal.
    if (waitBefore !== undefined && Math.abs(at - waitBefore.since) < 1_000) return;
    const refusals = (waitBefore?.refusals ?? 0) + 1;
    this.#waits.set(place, { refusals, since: at, until: at + shortestWaitMs(refusals) });
  }

  /** A request has ended, and its result is stored. */
  onOutcome(answer: HubAnswer, mode: 'subscribe' | 'unsubscribe', grant: GrantRecord): void {
    const { now } = this.#world.timeline;
    if (mode === 'unsubscribe') return;
    const place = placeOf(grant);
    if (answer.type === 'accepted') {
      if (!wasVerified(grant, this.#world.now)) return;
      this.#onSettled(grant);
      if (this.#denied.delete(grant.id)) this.#denials.push(now);
      return;
    }
    // An unreachable hub did not deny. Someone else did.
    this.#denied.delete(grant.id);
    if (answer.type === 'refused') this.#startWait(place, now);
    else this.#waits.set(grant.id, { refusals: 0, since: now, until: now + (answer.retryAfterSeconds ?? 0) * 1000 });
  }

  /** The hub, or someone else, denied, and that is stored. */
  onDenied(grant: GrantRecord, isOpen: boolean): void {
    const { now } = this.#world.timeline;
    const place = placeOf(grant);
    if (grant.pending?.mode === 'subscribe') this.#denied.set(grant.id, { place, at: now });
    else if (isOpen) this.#onLateDenial(grant, place);
    else this.#denials.push(now);
  }

  /** One attempt counts once. */
  #onLateDenial({ deniedAt = -Infinity, requestedAt = 0 }: GrantRecord, place: string): void {
    if (deniedAt < requestedAt) this.#startWait(place, this.#world.timeline.now);
  }

  /** A verification was confirmed that answers a request. */
  onVerified(grant: GrantRecord, isFirst: boolean): void {
    this.#denied.delete(grant.id);
    if (isFirst && grant.pending?.accepted !== false) this.#onSettled(grant);
  }

  /** The hub accepted a request, and it was verified. */
  #onSettled(grant: GrantRecord): void {
    this.#forget(placeOf(grant), grant.id);
    // Requests that a verification followed are no storm.
    this.#sent = this.#sent.filter(({ grantId }) => grantId !== grant.id);
  }

  /** An unsubscribe is complete. */
  onLeft({ id }: GrantRecord): void {
    this.#sent = this.#sent.filter(({ grantId }) => grantId !== id);
  }
}

/** Whether an open request was verified, with a lease that still runs. */
export function wasVerified({ pending, verifiedAt = 0 }: GrantRecord, now: number): boolean {
  const { verified, leaseSeconds = Infinity } = pending ?? {};
  return verified === true && verifiedAt + leaseSeconds * 1000 > now;
}

/**
 * The hub, topic and callback host of a grant. Grants under another host are renewed separately, whatever the hub
 * answers for this one.
 */
export function placeOf({ advertisedHub, topic, callback }: GrantRecord): string {
  return `${advertisedHub} ${topic} for ${new URL(callback).host}`;
}

function isSamePlace(a: Pick<GrantRecord, 'advertisedHub' | 'topic'>, b: GrantRecord): boolean {
  return a.advertisedHub === b.advertisedHub && a.topic === b.topic;
}

/** Whether the lease of a grant has ended since then: it is requested at once (L3). */
function hasExpired({ state, expiresAt = 0 }: GrantRecord, since: number, { skew }: Watched): boolean {
  return state === 'expired' && expiresAt - skew > since;
}

/** The shortest wait after this many denials and refusals in a row. */
function shortestWaitMs(refusals: number): number {
  if (refusals < 2) return MINUTE;
  return Math.min(DAY, 15 * MINUTE * 2 ** (refusals - 2)) / 2;
}
