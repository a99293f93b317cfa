import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import {
  isEnabled,
  isBeingReplaced,
  hasUnsolicitedDenial,
  isLive,
  isVerificationExpected,
  isOver,
} from '../../../src/subscription/machine/state.js';
import type { Forged } from './forger.js';
import { placeOf } from './model-asking.js';
import type { Expect, Watched } from './model-setup.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** So many writes of a subscription are the most that any number of forged requests lead to at once, for each callback. */
const MOST_WRITES = 6;

interface Forgery {
  readonly sends: readonly Forged[];
  readonly record: SubscriptionRecord;
  readonly now: number;
  readonly requests: number;
  readonly writes: number;
}

/** What the forgery watch is told of what happened meanwhile. */
export interface Meanwhile {
  readonly requests: number;
  readonly writes: number;
  /** Whether a grant's present lease was granted to a request that its hub took. */
  readonly isSettled: (grant: GrantRecord) => boolean;
  /** What the handler refuses. */
  readonly refusing: 'subscribe' | 'unsubscribe' | undefined;
}

/** Compares a subscription before and after forged requests, and notes what these must not change. */
export class ForgeryWatch {
  readonly #world: Watched;
  readonly #expect: Expect;
  #forgery: Forgery | undefined;
  /** By grant: when a forged verification last brought a renewal forward. */
  readonly #broughtForward = new Map<string, number>();
  #hasClockJumped = false;

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  onClockSet(): void {
    this.#hasClockJumped = true;
  }

  before(sends: readonly Forged[], { requests, writes }: Pick<Meanwhile, 'requests' | 'writes'>): void {
    const { record, now } = this.#world;
    this.#forgery = record && { sends, record, now, requests, writes };
  }

  /** All that the forged requests led to at once has happened. */
  after(meanwhile: Meanwhile): void {
    const forgery = this.#forgery;
    const { record, now } = this.#world;
    this.#forgery = undefined;
    if (forgery === undefined || record === undefined || forgery.now !== now) return;
    const before = forgery.record;
    // The handler may well refuse an end that was asked for.
    if (meanwhile.refusing === 'unsubscribe' && before.grants.some(({ state }) => state === 'unsubscribing')) return;
    const hasOpen = before.grants.some((grant) => isVerificationExpected(grant, now));
    this.#expect(record.desired === before.desired, 'V3 a forger changed what is wanted');
    // A denial that answers a request of ours ends it, if that is what the service wants (N2).
    const mayBeDenied = this.#world.setup.afterDenial === 'stop' && forgery.sends.some(({ kind }) => kind === 'denied');
    this.#isHeldAsBefore(before, record, {
      'handler-refused': hasOpen && meanwhile.refusing === 'subscribe',
      denied: hasOpen && mayBeDenied,
    });
    const writes = meanwhile.writes - forgery.writes;
    const most = MOST_WRITES * Math.max(1, before.grants.length);
    this.#expect(writes <= most, `V9 forged requests at once had ${writes} records written`);
    const mayFailOver =
      forgery.sends.some(({ kind }) => kind === 'hub-error') && before.grants.some((grant) => wasVerified(grant, now));
    for (const grant of before.grants) {
      const after = record.grants.find(({ id }) => id === grant.id);
      if (!isOver(grant)) this.#goesOn(grant, after, hasOpen);
      // A hub error, time and again, has another hub asked beside the one that works (N3).
      const isAskedBeside =
        mayFailOver && !isLive(grant) && (after?.pending !== undefined || after?.state === 'requested');
      if (after !== undefined && !hasOpen && !isAskedBeside) this.#isUnchanged(grant, after, forgery);
    }
    if (hasOpen) return;
    const requests = meanwhile.requests - forgery.requests;
    this.#expect(requests === 0 || (mayFailOver && requests === 1), `V9 a forger had hubs asked at once: ${requests}`);
    if (!isEnabled(before)) return;
    const places = new Set(before.grants.filter(isToGoOn).map(placeOf));
    for (const place of places) this.#isPlannedAsBefore(place, forgery, record, meanwhile);
  }

  #isHeldAsBefore(
    before: SubscriptionRecord,
    after: SubscriptionRecord,
    may: Readonly<Record<'handler-refused' | 'denied', boolean>>,
  ): void {
    const { stoppedBecause: hold } = after;
    if (hold === before.stoppedBecause) return;
    const isFreed = hold === undefined && (before.stoppedBecause === 'gave-up' || before.stoppedBecause === 'denied');
    const isRight = hold === 'handler-refused' || hold === 'denied' ? may[hold] : isFreed;
    this.#expect(isRight, `a forger had it held: ${before.stoppedBecause} became ${hold}`);
  }

  /** No grant ends by what a forger says, but what we asked to end, and what a request that is open takes the place of. */
  #goesOn(before: GrantRecord, after: GrantRecord | undefined, hasOpen: boolean): void {
    if (hasOpen || before.state === 'unsubscribing') return;
    this.#expect(after !== undefined && !isOver(after), `N1 a forger ended ${before.id}`);
  }

  /** V4: where nothing is open, neither state nor secrets nor expiry are a forger's to change. */
  #isUnchanged(before: GrantRecord, after: GrantRecord, { sends, now, record }: Forgery): void {
    const { id } = before;
    const kinds = new Set(sends.map(({ kind }) => kind));
    if (before.state === 'unsubscribing' && isOver(after)) return;
    if (before.state !== after.state) {
      const isVerified = after.state === 'active' && kinds.has('subscribe');
      this.#expect(isVerified, `V9 a forger made ${id} ${after.state}, which was ${before.state}`);
    }
    this.#expect(after.superseded === before.superseded, `a forger had ${id} replaced`);
    this.#expect(
      JSON.stringify(after.secrets) === JSON.stringify(before.secrets),
      `V4 a forger changed secrets of ${id}`,
    );
    const mayFail = kinds.has('hub-error') && wasVerified(before, now);
    const added = after.attempts - before.attempts;
    this.#expect(added === 0 || (added === 1 && mayFail), `V4 a forger added ${added} attempts to ${id}`);
    if (!isLive(after)) return;
    const was = isLive(before) ? (before.expiresAt ?? 0) : 0;
    const { expiresAt: is = 0 } = after;
    // What was never granted has the lease that was asked for, or the configured one, at most.
    const { leaseSeconds = Math.min(record.overrides?.leaseSeconds ?? 86_400, 86_400) } = before;
    this.#expect(is >= was, `V4 a forger moved the expiry of ${id} earlier by ${was - is} ms`);
    this.#expect(
      is <= Math.max(was, now + leaseSeconds * 1000),
      `V4 a forger moved the expiry of ${id} to ${(is - now) / 1000} s from now, where ${leaseSeconds} s were granted`,
    );
  }

  #isPresent({ hubs, topic }: SubscriptionRecord, grant: GrantRecord): boolean {
    const isAdvertised = grant.topic === topic && hubs.includes(grant.advertisedHub);
    return isAdvertised && grant.callback.startsWith(`${this.#world.base}/`);
  }

  /** A forger puts nothing off, nor has it done earlier, but by the rules of N1, N3 and V4. */
  #isPlannedAsBefore(place: string, forgery: Forgery, after: SubscriptionRecord, { isSettled }: Meanwhile): void {
    const { sends, now, record } = forgery;
    const kinds = new Set(sends.map(({ kind }) => kind));
    const grants = record.grants.filter(isToGoOn);
    const here = grants.filter((grant) => placeOf(grant) === place);
    const isAll = this.#world.setup.hubs === 'all' && here.some((grant) => this.#isPresent(record, grant));
    const hubs = isAll ? new Set(here.map(({ advertisedHub }) => advertisedHub)) : undefined;
    const isHere = (grant: GrantRecord): boolean => placeOf(grant) === place;
    const wasAt = plannedAt(record, isHere, isSettled);
    const isAt = plannedAt(after, isHere, isSettled);
    const isDenied = kinds.has('denied') && grants.some(({ state }) => state === 'active');
    const hasErred = kinds.has('hub-error') && grants.some((grant) => wasVerified(grant, now));
    // A verification may move the end of a lease, and with it what is done then.
    const was = kinds.has('subscribe') ? plannedAt(record, isHere, () => false) : wasAt;
    const latest = Math.max(was, isDenied || hasErred ? now + 2 * MINUTE : now);
    // What is denied may be asked for elsewhere instead.
    const isElsewhere = (grant: GrantRecord): boolean => hubs?.has(grant.advertisedHub) ?? true;
    const isNext = isDenied ? plannedAt(after, isElsewhere, isSettled) : isAt;
    // Where the hub has been asked under another callback, it is asked again by the schedule of that grant; and what is not
    // advertised any more goes on only until something else is had.
    const isSameHub = ({ advertisedHub }: GrantRecord): boolean =>
      here.some((each) => each.advertisedHub === advertisedHub);
    const isAskedElsewhere =
      grants.filter(isSameHub).length > 1 || !here.some((grant) => this.#isPresent(record, grant));
    this.#expect(
      isNext <= latest || (isDenied && isAskedElsewhere && isNext < Infinity),
      `N1 a forger put a request at ${place} off by ${(isNext - latest) / 1000} s`,
    );
    if (isAt >= wasAt) return;
    const isWaiting = here.some(
      ({ attempts, refusals = 0, nextAttemptAt }) => attempts + refusals > 0 && nextAttemptAt === wasAt,
    );
    const isPlanned = isAt >= now + MINUTE || grants.some(({ freshCallbackAt: askAfreshAt }) => askAfreshAt === isAt);
    const mayAsk = isDenied && !isWaiting && isPlanned;
    const mayAskAgain = hasErred && isAt >= now + 1_000;
    // What nothing was planned for, or is taken up again, is renewed as its lease says.
    const isTakenUp = wasAt === Infinity || here.some(({ state }) => state !== 'active');
    const mayBegin = kinds.has('subscribe') && isTakenUp && isAt >= now + MINUTE;
    // What was denied, and is verified, is renewed as it would have been, but a minute after the denial at the earliest.
    const mayGoOn = here.some(
      ({ deniedAt = 0, deniedUnsolicited: deniedUnasked }) => deniedUnasked === true && isAt >= deniedAt + MINUTE,
    );
    if (mayAsk || mayAskAgain || mayBegin || (kinds.has('subscribe') && mayGoOn)) return;
    const sinceThen = now - (this.#broughtForward.get(place) ?? -Infinity);
    // A clock that was set back and put right says nothing of how long ago that was.
    const isFirst = sinceThen < 0 || sinceThen >= HOUR || this.#hasClockJumped;
    const isHeldHere = wasAt === Infinity || here.some(({ state }) => state === 'active');
    const mayRenew = kinds.has('subscribe') && isHeldHere && isFirst;
    if (mayRenew) this.#broughtForward.set(place, now);
    const [earlier, from] = [(wasAt - isAt) / 1000, (isAt - now) / 1000];
    this.#expect(mayRenew, `V4 a forger brought a request at ${place} forward by ${earlier} s, to ${from} s from now`);
  }
}

/** Whether a hub error undoes a verification: once, and soon after it (N3). */
function wasVerified({ grantedAt = -Infinity, hubErrorAt = -Infinity }: GrantRecord, now: number): boolean {
  return now - grantedAt <= MINUTE && hubErrorAt < grantedAt;
}

/** Whether a grant is asked for, or works and is to go on. */
function isToGoOn(grant: GrantRecord): boolean {
  return !isOver(grant) && grant.superseded !== true && grant.state !== 'unsubscribing';
}

/** When a hub is next to be asked for a topic; at the end of a lease at the latest, where that was granted to us. */
function plannedAt(
  record: SubscriptionRecord,
  isHere: (grant: GrantRecord) => boolean,
  isSettled: Meanwhile['isSettled'],
): number {
  const times = record.grants.flatMap((grant) => {
    if (!isToGoOn(grant) || !isHere(grant)) return [];
    const {
      state,
      nextAttemptAt,
      renewsAt = Infinity,
      notBefore = 0,
      freshCallbackAt: askAfreshAt,
      expiresAt,
      pending,
    } = grant;
    const isQuestioned = hasUnsolicitedDenial(grant) || askAfreshAt !== undefined || isBeingReplaced(record, grant);
    const isToBeRenewed = state === 'active' && !isQuestioned;
    const next = pending?.deadline ?? nextAttemptAt ?? (isToBeRenewed ? Math.max(renewsAt, notBefore) : undefined);
    return [next, askAfreshAt, state === 'active' && isSettled(grant) ? expiresAt : undefined];
  });
  return Math.min(Infinity, ...[...times, record.nextAttemptAt].filter((at) => at !== undefined));
}
