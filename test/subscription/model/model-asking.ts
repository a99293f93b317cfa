import type { GrantRecord } from '../../../src/subscription/record/record.js';
import type { HubAnswer, HubModel, HubRequest } from './hub-model.js';
import { DAY } from '../machine/life.js';
import type { Expect, Watched } from './model-setup.js';

const MINUTE = 60_000;

/** More requests than this in a day, but for those that a verification followed, are a storm. */
export const MOST_REQUESTS_A_DAY = 150;

/** Each unasked denial may have a hub asked under a fresh callback, and have the old one left. */
const REQUESTS_PER_DENIAL = 4;

/** A request as it left. Times are those of hubs. */
interface Sent {
  readonly at: number;
  readonly grantId: string;
  readonly callback: string;
  readonly mode: 'subscribe' | 'unsubscribe';
}

/** What a hub's denials and refusals in a row make it wait for (PROTOCOL N2). */
interface Wait {
  readonly refusals: number;
  /** The hub was left alone from the one time to the other. */
  readonly since: number;
  readonly until: number;
}

/** Keeps when hubs were asked, and notes where that was too early or too often. */
export class AskingWatch {
  /** How many requests have left. */
  requests = 0;
  readonly #world: Watched;
  readonly #expect: Expect;
  #sent: Sent[] = [];
  /** Unasked denials that were answered. */
  #denials: number[] = [];
  /** What no explanation has come for since it was asked. */
  readonly #asked = new Set<string>();
  /** By hub and topic, and what a `Retry-After` says by grant. */
  readonly #waits = new Map<string, Wait>();
  /** By grant: where a request that is open was denied, and when. */
  readonly #denied = new Map<string, { readonly place: string; readonly at: number }>();
  #userAt = -Infinity;

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  /** Something else than a failure explains that hubs are asked again at once. */
  explained(): void {
    this.#asked.clear();
  }

  /** The user wants something of a hub now. */
  onUserCall(): void {
    this.#asked.clear();
    this.#userAt = this.#world.timeline.now;
  }

  /** What waits because of failures is asked for now; denials and refusals are none. */
  onReset(): void {
    this.#asked.clear();
    for (const [key, { refusals }] of this.#waits) if (refusals === 0) this.#waits.delete(key);
  }

  /** No hub is to be left alone any more. */
  forgetWaits(): void {
    this.#waits.clear();
    this.#denied.clear();
  }

  onRequest(hub: HubModel, { mode, callback }: HubRequest, grant: GrantRecord): void {
    const { now } = this.#world.timeline;
    this.requests += 1;
    const key = `${mode} ${grant.id}`;
    const last = this.#sent.findLast(
      (sent) => sent.grantId === grant.id && sent.mode === mode && sent.callback === callback,
    );
    // What was to be asked for, twice over, may have had to wait for a request that was open.
    const isQueued = this.#sent.some((sent) => sent !== last && sent.grantId === grant.id && now - sent.at <= 10_000);
    const isUsers = now - this.#userAt <= 10_000;
    const isExplained = last === undefined || hasExpired(grant, last.at, this.#world) || isUsers || isQueued;
    this.#expect(
      isExplained || !this.#asked.has(key) || now - last.at >= 1_000,
      `L2 ${hub.url} is asked twice within a second for one grant`,
    );
    this.#asked.add(key);
    const place = placeOf(grant);
    if (mode === 'subscribe') this.#waited(place, grant);
    else this.#forget(place, grant.id);
    this.#sent = this.#sent.filter(({ at }) => at > now - DAY);
    this.#sent.push({ at: now, grantId: grant.id, callback, mode });
    this.#denials = this.#denials.filter((at) => at > now - DAY);
    const most = MOST_REQUESTS_A_DAY + REQUESTS_PER_DENIAL * this.#denials.length;
    this.#expect(this.#sent.length <= most, `L2 a storm: more than ${most} requests in a day`);
  }

  /** Its hub was being left, and is asked again. */
  onTakenBack(grant: GrantRecord): void {
    this.#forget(placeOf(grant), grant.id);
  }

  #forget(place: string, grantId: string): void {
    for (const key of [place, grantId]) this.#waits.delete(key);
    for (const [id, denial] of this.#denied) if (denial.place === place) this.#denied.delete(id);
  }

  /** N2: a hub that denied or refused is left alone, whatever happens meanwhile, but at a lease's end. */
  #waited(place: string, grant: GrantRecord): void {
    const { now } = this.#world.timeline;
    for (const [id, denial] of this.#denied) {
      if (denial.place !== place) continue;
      this.#denied.delete(id);
      this.#refused(place, denial.at);
    }
    for (const key of [place, grant.id]) {
      const { until, since, refusals } = this.#waits.get(key) ?? { until: 0, since: 0, refusals: 0 };
      const isUsers = now - this.#userAt <= 100_000;
      const isExplained = isUsers || this.#hasEnded(grant, since);
      // The user had its hub asked before that: the wait is over, and the next one is longer all the same.
      if (isUsers && now < until) this.#waits.set(key, { refusals, since, until: now });
      const early = Math.round((until - now) / 1000);
      this.#expect(
        now >= until || isExplained,
        `${refusals === 0 ? 'S3' : 'N2'} ${place} is asked ${early} s too early after ${refusals} refusals`,
      );
    }
  }

  /** Whether a lease that a hub granted to a request of ours has ended there since. */
  #hasEnded(grant: GrantRecord, since: number): boolean {
    const { record, skew, timeline } = this.#world;
    return [grant, ...(record?.grants ?? [])].some((other) => {
      const { state, expiresAt = 0, grantedAt, leaseSeconds = 0, provisional } = other;
      if (grantedAt === undefined || !isSamePlace(other, grant)) return false;
      const hasLapsed = state === 'expired' || state === 'unsubscribed';
      // A verification may have come since, that answers no request: what was asked for at the end still waits to leave.
      const isTakenUp = state === 'active' && provisional === true;
      const at = (isTakenUp ? grantedAt + leaseSeconds * 1000 : expiresAt) - skew;
      return (hasLapsed || isTakenUp) && at >= since && at <= timeline.now;
    });
  }

  #refused(place: string, at: number): void {
    const before = this.#waits.get(place);
    // Two grants that are asked for at the same time are refused once.
    if (before !== undefined && Math.abs(at - before.since) < 1_000) return;
    const refusals = (before?.refusals ?? 0) + 1;
    this.#waits.set(place, { refusals, since: at, until: at + shortestWaitMs(refusals) });
  }

  /** A request has ended, and that is noted. */
  onOutcome(answer: HubAnswer, mode: 'subscribe' | 'unsubscribe', grant: GrantRecord): void {
    const { now } = this.#world.timeline;
    if (mode === 'unsubscribe') return;
    const place = placeOf(grant);
    if (answer.type === 'accepted') {
      if (!wasVerified(grant, this.#world.now)) return;
      this.#settled(grant);
      if (this.#denied.delete(grant.id)) this.#denials.push(now);
      return;
    }
    // That a hub which cannot be reached has denied was said by somebody else.
    this.#denied.delete(grant.id);
    if (answer.type === 'refused') this.#refused(place, now);
    else this.#waits.set(grant.id, { refusals: 0, since: now, until: now + (answer.retryAfterSeconds ?? 0) * 1000 });
  }

  /** The hub, or somebody, denied, and that is noted. */
  onDenied(grant: GrantRecord, isOpen: boolean): void {
    const { now } = this.#world.timeline;
    const place = placeOf(grant);
    if (grant.pending?.mode === 'subscribe') this.#denied.set(grant.id, { place, at: now });
    else if (isOpen) this.#deniedLate(grant, place);
    else this.#denials.push(now);
  }

  /** One attempt counts once. */
  #deniedLate({ deniedAt = -Infinity, requestedAt: askedAt = 0 }: GrantRecord, place: string): void {
    if (deniedAt < askedAt) this.#refused(place, this.#world.timeline.now);
  }

  /** A verification was confirmed that answers a request of ours. */
  onVerified(grant: GrantRecord, isFirst: boolean): void {
    this.#denied.delete(grant.id);
    if (isFirst && grant.pending?.accepted !== false) this.#settled(grant);
  }

  /** The hub took a request, and it was verified. */
  #settled(grant: GrantRecord): void {
    this.#forget(placeOf(grant), grant.id);
    // What a verification followed is no storm.
    this.#sent = this.#sent.filter(({ grantId }) => grantId !== grant.id);
  }

  /** The end of what was asked to end. */
  onLeft({ id }: GrantRecord): void {
    this.#sent = this.#sent.filter(({ grantId }) => grantId !== id);
  }
}

/** Whether an open request was verified, by a lease that still runs. */
export function wasVerified({ pending, verifiedAt = 0 }: GrantRecord, now: number): boolean {
  const { verified, leaseSeconds = Infinity } = pending ?? {};
  return verified === true && verifiedAt + leaseSeconds * 1000 > now;
}

/** A hub, a topic, and where callbacks are: what still works under other callbacks is renewed, whatever its hub says of these. */
export function placeOf({ advertisedHub, topic, callback }: GrantRecord): string {
  return `${advertisedHub} ${topic} for ${new URL(callback).host}`;
}

function isSamePlace(a: Pick<GrantRecord, 'advertisedHub' | 'topic'>, b: GrantRecord): boolean {
  return a.advertisedHub === b.advertisedHub && a.topic === b.topic;
}

/** Whether the lease of a grant has ended since then: it is asked for at once (L3). */
function hasExpired({ state, expiresAt = 0 }: GrantRecord, since: number, { skew }: Watched): boolean {
  return state === 'expired' && expiresAt - skew > since;
}

/** The shortest wait after so many denials and refusals in a row. */
function shortestWaitMs(refusals: number): number {
  if (refusals < 2) return MINUTE;
  return Math.min(DAY, 15 * MINUTE * 2 ** (refusals - 2)) / 2;
}
