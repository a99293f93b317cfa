import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import {
  isEnabled,
  isBeingReplaced,
  hasUnsolicitedDenial,
  isLive,
  isVerificationExpected,
  isOver,
} from '../../../src/subscription/machine/state.js';
import type { ForgedRequest } from './forger.js';
import { placeOf } from './model-requests.js';
import type { Expect, Watched } from './model-setup.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** The most writes of a subscription that forged requests at once may cause, per callback. */
const MAX_WRITES = 6;

interface Forgery {
  readonly forgedRequests: readonly ForgedRequest[];
  readonly record: SubscriptionRecord;
  readonly now: number;
  readonly requestCount: number;
  readonly writeCount: number;
}

/** What happened between the two calls of the forgery watch. */
export interface ForgeryContext {
  readonly requestCount: number;
  readonly writeCount: number;
  /** Whether a grant's current lease was granted to a request that its hub accepted. */
  readonly isSettled: (grant: GrantRecord) => boolean;
  /** The requests that the handler refuses. */
  readonly refusedMode: 'subscribe' | 'unsubscribe' | undefined;
}

/** Compares a subscription before and after forged requests, and records changes that these must not cause. */
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

  before(
    forgedRequests: readonly ForgedRequest[],
    { requestCount, writeCount }: Pick<ForgeryContext, 'requestCount' | 'writeCount'>,
  ): void {
    const { record, now } = this.#world;
    this.#forgery = record && { forgedRequests, record, now, requestCount, writeCount };
  }

  /** Everything that the forged requests caused at once has happened. */
  after(context: ForgeryContext): void {
    const forgery = this.#forgery;
    const { record, now } = this.#world;
    this.#forgery = undefined;
    if (forgery === undefined || record === undefined || forgery.now !== now) return;
    const before = forgery.record;
    // The handler may refuse an unsubscribe that was requested.
    if (context.refusedMode === 'unsubscribe' && before.grants.some(({ state }) => state === 'unsubscribing')) return;
    const hasOpen = before.grants.some((grant) => isVerificationExpected(grant, now));
    this.#expect(record.desired === before.desired, 'V3 a forger changed whether the subscription is wanted');
    // A denial that answers a request stops the subscription if the service wants that (N2).
    const mayBeDenied =
      this.#world.setup.afterDenial === 'stop' && forgery.forgedRequests.some(({ kind }) => kind === 'denied');
    this.#expectSameStopReason(before, record, {
      'handler-refused': hasOpen && context.refusedMode === 'subscribe',
      denied: hasOpen && mayBeDenied,
    });
    const writeCount = context.writeCount - forgery.writeCount;
    const maxWrites = MAX_WRITES * Math.max(1, before.grants.length);
    this.#expect(writeCount <= maxWrites, `V9 forged requests at once caused ${writeCount} writes`);
    const mayFailOver =
      forgery.forgedRequests.some(({ kind }) => kind === 'hub-error') &&
      before.grants.some((grant) => wasVerified(grant, now));
    for (const grant of before.grants) {
      const after = record.grants.find(({ id }) => id === grant.id);
      if (!isOver(grant)) this.#expectContinues(grant, after, hasOpen);
      // Repeated hub errors lead to a request at another hub beside the working one (N3).
      const isRequestedBeside =
        mayFailOver && !isLive(grant) && (after?.pending !== undefined || after?.state === 'requested');
      if (after !== undefined && !hasOpen && !isRequestedBeside) this.#expectUnchanged(grant, after, forgery);
    }
    if (hasOpen) return;
    const requestCount = context.requestCount - forgery.requestCount;
    this.#expect(
      requestCount === 0 || (mayFailOver && requestCount === 1),
      `V9 a forger caused ${requestCount} requests at once`,
    );
    if (!isEnabled(before)) return;
    const places = new Set(before.grants.filter(shouldContinue).map(placeOf));
    for (const place of places) this.#expectSamePlan(place, forgery, record, context);
  }

  #expectSameStopReason(
    before: SubscriptionRecord,
    after: SubscriptionRecord,
    isAllowed: Readonly<Record<'handler-refused' | 'denied', boolean>>,
  ): void {
    const { stoppedBecause: reason } = after;
    if (reason === before.stoppedBecause) return;
    const isEnabledAgain =
      reason === undefined && (before.stoppedBecause === 'gave-up' || before.stoppedBecause === 'denied');
    const isRight = reason === 'handler-refused' || reason === 'denied' ? isAllowed[reason] : isEnabledAgain;
    this.#expect(isRight, `a forger changed the stop reason from ${before.stoppedBecause} to ${reason}`);
  }

  /** A forger ends no grant, except one we unsubscribed or one that an open request replaces. */
  #expectContinues(before: GrantRecord, after: GrantRecord | undefined, hasOpen: boolean): void {
    if (hasOpen || before.state === 'unsubscribing') return;
    this.#expect(after !== undefined && !isOver(after), `N1 a forger ended ${before.id}`);
  }

  /** V4: while no request is open, a forger changes neither state nor secrets nor expiry. */
  #expectUnchanged(before: GrantRecord, after: GrantRecord, { forgedRequests, now, record }: Forgery): void {
    const { id } = before;
    const kinds = new Set(forgedRequests.map(({ kind }) => kind));
    if (before.state === 'unsubscribing' && isOver(after)) return;
    if (before.state !== after.state) {
      const isVerified = after.state === 'active' && kinds.has('subscribe');
      this.#expect(isVerified, `V9 a forger made ${id} ${after.state}, which was ${before.state}`);
    }
    this.#expect(after.superseded === before.superseded, `a forger replaced ${id}`);
    this.#expect(
      JSON.stringify(after.secrets) === JSON.stringify(before.secrets),
      `V4 a forger changed secrets of ${id}`,
    );
    const mayFail = kinds.has('hub-error') && wasVerified(before, now);
    const added = after.attempts - before.attempts;
    this.#expect(added === 0 || (added === 1 && mayFail), `V4 a forger added ${added} attempts to ${id}`);
    if (!isLive(after)) return;
    const expiryBefore = isLive(before) ? (before.expiresAt ?? 0) : 0;
    const { expiresAt: expiryAfter = 0 } = after;
    // A grant without a lease gets the requested one, or the configured one, at most.
    const { leaseSeconds = Math.min(record.overrides?.leaseSeconds ?? 86_400, 86_400) } = before;
    this.#expect(
      expiryAfter >= expiryBefore,
      `V4 a forger moved the expiry of ${id} earlier by ${expiryBefore - expiryAfter} ms`,
    );
    this.#expect(
      expiryAfter <= Math.max(expiryBefore, now + leaseSeconds * 1000),
      `V4 a forger moved the expiry of ${id} to ${(expiryAfter - now) / 1000} s from now, over ${leaseSeconds} s`,
    );
  }

  #isCurrent({ hubs, topic }: SubscriptionRecord, grant: GrantRecord): boolean {
    const isAdvertised = grant.topic === topic && hubs.includes(grant.advertisedHub);
    return isAdvertised && grant.callback.startsWith(`${this.#world.base}/`);
  }

  /** A forger postpones nothing and brings nothing forward, except by the rules of N1, N3 and V4. */
  #expectSamePlan(
    place: string,
    forgery: Forgery,
    recordAfter: SubscriptionRecord,
    { isSettled }: ForgeryContext,
  ): void {
    const { forgedRequests, now, record } = forgery;
    const kinds = new Set(forgedRequests.map(({ kind }) => kind));
    const grants = record.grants.filter(shouldContinue);
    const grantsHere = grants.filter((grant) => placeOf(grant) === place);
    const isAll = this.#world.setup.hubs === 'all' && grantsHere.some((grant) => this.#isCurrent(record, grant));
    const hubs = isAll ? new Set(grantsHere.map(({ advertisedHub }) => advertisedHub)) : undefined;
    const isHere = (grant: GrantRecord): boolean => placeOf(grant) === place;
    const plannedBefore = plannedAt(record, isHere, isSettled);
    const plannedAfter = plannedAt(recordAfter, isHere, isSettled);
    const isDenied = kinds.has('denied') && grants.some(({ state }) => state === 'active');
    const hasErred = kinds.has('hub-error') && grants.some((grant) => wasVerified(grant, now));
    // A verification may move the end of a lease, and the work planned for it.
    const latestBefore = kinds.has('subscribe') ? plannedAt(record, isHere, () => false) : plannedBefore;
    const latest = Math.max(latestBefore, isDenied || hasErred ? now + 2 * MINUTE : now);
    // After a denial another hub may be requested instead.
    const isElsewhere = (grant: GrantRecord): boolean => hubs?.has(grant.advertisedHub) ?? true;
    const nextAfter = isDenied ? plannedAt(recordAfter, isElsewhere, isSettled) : plannedAfter;
    // A hub that was requested under another callback is requested again on the schedule of that grant. A grant that is
    // no longer advertised continues only until another one is granted.
    const isSameHub = ({ advertisedHub }: GrantRecord): boolean =>
      grantsHere.some((each) => each.advertisedHub === advertisedHub);
    const isRequestedElsewhere =
      grants.filter(isSameHub).length > 1 || !grantsHere.some((grant) => this.#isCurrent(record, grant));
    this.#expect(
      nextAfter <= latest || (isDenied && isRequestedElsewhere && nextAfter < Infinity),
      `N1 a forger postponed a request at ${place} by ${(nextAfter - latest) / 1000} s`,
    );
    if (plannedAfter >= plannedBefore) return;
    const isWaiting = grantsHere.some(
      ({ attempts, refusals = 0, nextAttemptAt }) => attempts + refusals > 0 && nextAttemptAt === plannedBefore,
    );
    const isPlanned =
      plannedAfter >= now + MINUTE || grants.some(({ freshCallbackAt }) => freshCallbackAt === plannedAfter);
    const mayRequest = isDenied && !isWaiting && isPlanned;
    const mayRetry = hasErred && plannedAfter >= now + 1_000;
    // A grant without a planned request, or one that works again, is renewed by its lease.
    const isResumed = plannedBefore === Infinity || grantsHere.some(({ state }) => state !== 'active');
    const mayStart = kinds.has('subscribe') && isResumed && plannedAfter >= now + MINUTE;
    // A denied grant that is verified is renewed as planned, but a minute after the denial at the earliest.
    const mayContinue = grantsHere.some(
      ({ deniedAt = 0, deniedUnsolicited }) => deniedUnsolicited === true && plannedAfter >= deniedAt + MINUTE,
    );
    if (mayRequest || mayRetry || mayStart || (kinds.has('subscribe') && mayContinue)) return;
    const sinceBroughtForward = now - (this.#broughtForward.get(place) ?? -Infinity);
    // After a clock was set back and corrected, the time since then is unknown.
    const isFirst = sinceBroughtForward < 0 || sinceBroughtForward >= HOUR || this.#hasClockJumped;
    const isLiveHere = plannedBefore === Infinity || grantsHere.some(({ state }) => state === 'active');
    const mayRenew = kinds.has('subscribe') && isLiveHere && isFirst;
    if (mayRenew) this.#broughtForward.set(place, now);
    const [earlierBySeconds, inSeconds] = [(plannedBefore - plannedAfter) / 1000, (plannedAfter - now) / 1000];
    this.#expect(
      mayRenew,
      `V4 a forger brought a request at ${place} forward by ${earlierBySeconds} s, to ${inSeconds} s from now`,
    );
  }
}

/** Whether a hub error undoes a verification: once, and soon after it (N3). */
function wasVerified({ grantedAt = -Infinity, hubErrorAt = -Infinity }: GrantRecord, now: number): boolean {
  return now - grantedAt <= MINUTE && hubErrorAt < grantedAt;
}

/** Whether a grant is requested, or works and should continue. */
function shouldContinue(grant: GrantRecord): boolean {
  return !isOver(grant) && grant.superseded !== true && grant.state !== 'unsubscribing';
}

/** When a hub is next requested for a topic; at the end of a lease at the latest, if it was granted to us. */
function plannedAt(
  record: SubscriptionRecord,
  isHere: (grant: GrantRecord) => boolean,
  isSettled: ForgeryContext['isSettled'],
): number {
  const times = record.grants.flatMap((grant) => {
    if (!shouldContinue(grant) || !isHere(grant)) return [];
    const { state, nextAttemptAt, renewsAt = Infinity, notBefore = 0, freshCallbackAt, expiresAt, pending } = grant;
    const isChecked = hasUnsolicitedDenial(grant) || freshCallbackAt !== undefined || isBeingReplaced(record, grant);
    const willBeRenewed = state === 'active' && !isChecked;
    const next = pending?.deadline ?? nextAttemptAt ?? (willBeRenewed ? Math.max(renewsAt, notBefore) : undefined);
    return [next, freshCallbackAt, state === 'active' && isSettled(grant) ? expiresAt : undefined];
  });
  return Math.min(Infinity, ...[...times, record.nextAttemptAt].filter((at) => at !== undefined));
}
