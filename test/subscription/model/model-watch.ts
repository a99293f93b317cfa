import type { Logger } from '../../../src/logger.js';
import type { NamedEffect } from '../../../src/subscription/machine/transition-types.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { subscriptionSnapshot } from '../../../src/subscription/record/snapshot-of.js';
import {
  isEnabled,
  hasUnsolicitedDenial,
  isVerificationExpected,
  isOver,
  isWorking,
  stateOf,
} from '../../../src/subscription/machine/state.js';
import type { ForgedRequest } from './forger.js';
import type { HubAnswer, HubModel, HubRequest, Intent } from './hub-model.js';
import { RequestWatch, wasVerified } from './model-requests.js';
import { ContentWatch } from './model-content.js';
import { ForgeryWatch, type ForgeryContext } from './model-forgery.js';
import { HandlerWatch } from './model-handlers.js';
import { LateWatch } from './model-late.js';
import { ID, type Watched } from './model-setup.js';
import type { CallbackResult } from './subscriber-process.js';

/**
 * Work of a request that was stored but not sent starts again after this long if the process dies. Clocks are a little
 * off.
 */
const SAFETY_MS = 61_000;

/** The longest time a request is open: until its answer, until its deadline, and ten times as long (PROTOCOL V9). */
const LONGEST_OPEN_MS = 10_000 + 60_000 + 600_000 + 1_000;

const NO_STATS = { received: 0, rejected: 0, refused: 0, delivered: 0, failed: 0, duplicates: 0, missed: 0 };

const isSuperseded = ({ superseded }: GrantRecord): boolean => superseded === true;

/** Tracks what the user wants and what hubs know, apart from the record, and records violations. */
export class ModelWatch {
  /** The violations, the first one first. */
  readonly violations: string[] = [];
  readonly logger: Logger;
  /** Whether the user wants the subscription. */
  isWanted = true;
  /** The service's handler refused, and no later call changed that. */
  isRefused = false;
  readonly #world: Watched;
  readonly #requests: RequestWatch;
  readonly #content: ContentWatch;
  readonly #forgery: ForgeryWatch;
  readonly #handlers: HandlerWatch;
  readonly #late: LateWatch;
  /** The hub and topic that each callback was first given to. */
  readonly #places = new Map<string, string>();
  /** By grant: when it was last requested, in the time of hubs. */
  readonly #requestedAt = new Map<string, number>();
  /** Requests and discoveries since a hub last granted a request. */
  #attempts = 0;
  #writeCount = 0;
  #recordBefore: SubscriptionRecord | undefined;
  #isEnding = false;
  #lastJump = -Infinity;
  #lastChecked: SubscriptionRecord | undefined;
  #changeCount = 0;

  constructor(world: Watched) {
    this.#world = world;
    const expect = (isRight: boolean, what: string): void => this.#expect(isRight, what);
    this.#requests = new RequestWatch(world, expect);
    this.#content = new ContentWatch(world, expect);
    this.#forgery = new ForgeryWatch(world, expect);
    this.#handlers = new HandlerWatch(world, expect);
    this.#late = new LateWatch(world, expect);
    const checkLogLine = (fields: object | string, message = ''): void => {
      this.#checkHidesSecrets(
        typeof fields === 'string' ? fields : `${Object.values(fields).map(String).join(' ')} ${message}`,
      );
    };
    this.logger = {
      debug: checkLogLine,
      info: checkLogLine,
      warn: checkLogLine,
      error: checkLogLine,
      fatal: checkLogLine,
    };
  }

  /**
   * @param isUnsure whether the previous process died at a write, or a failed write was stored anyway. Its last stored
   * data may not have been answered then.
   */
  onStart(isUnsure: boolean): void {
    const { record } = this.#world;
    this.#requests.explained();
    this.#content.onStart();
    this.#handlers.onStart();
    this.#isEnding = false;
    this.#recordBefore = record;
    // An unfinished unsubscribe is undone by a request at once.
    for (const grant of record?.grants ?? [])
      if (grant.state === 'unsubscribing') this.#requests.onUnsubscribeUndone(grant);
    // A request that was stored and never sent has failed as well.
    this.#attempts += record?.grants.filter(({ pending }) => pending !== undefined).length ?? 0;
    if (!isUnsure || record === undefined) return;
    // Without an answer, nobody knows whether the call took effect.
    this.isWanted = record.desired === 'subscribed';
    this.isRefused = record.stoppedBecause === 'handler-refused';
    this.#content.onUnsureStart(record);
  }

  /** Nothing waits for a request that was never sent. */
  afterStart(): void {
    const { record, process, now } = this.#world;
    if (record === undefined || process === undefined) return;
    const due = process.dueTimes.get(ID) ?? Infinity;
    for (const { id, pending } of record.grants) {
      if (pending === undefined || pending.accepted || pending.denied === true) continue;
      const isSent = process.inFlight.has(`${pending.mode} ${id}`);
      const isToBeSent = pending.mode === 'subscribe' && isEnabled(record);
      const isIdle = pending.mode === 'subscribe' && !isEnabled(record);
      this.#expect(
        isSent || (!isToBeSent && due <= now + SAFETY_MS) || isIdle,
        `S2 after a crash ${id} waits for a request that may never have been sent`,
      );
    }
    const isIdle = !record.grants.some((grant) => isWorking(grant) || grant.pending !== undefined);
    const hasFailed = ({ attempts, refusals = 0, deniedAt }: GrantRecord): boolean =>
      attempts + refusals > 0 || deniedAt !== undefined;
    const isWaiting = record.attempts > 0 || record.grants.some(hasFailed);
    if (!isEnabled(record) || !isIdle || isWaiting || process.inFlight.size > 0) return;
    this.#expect(due <= now + SAFETY_MS, 'L4 after a start nothing works and nothing is requested within a minute');
  }

  onEnd(): void {
    this.#recordBefore = undefined;
    this.#isEnding = true;
  }

  /** The user, or the end of the process, changed whether the subscription is wanted. */
  onUnwanted(isForGood: boolean): void {
    this.#requests.explained();
    if (isForGood) {
      this.isWanted = false;
      this.isRefused = false;
    }
    this.#isEnding = true;
  }

  /** @returns undoes the call, if it had no effect */
  onRetry(): () => void {
    const { isWanted, isRefused } = this;
    this.isWanted = true;
    this.isRefused = false;
    this.#requests.forgetWaits();
    return () => {
      this.isWanted = isWanted;
      this.isRefused = isRefused;
    };
  }

  onUserCall(): void {
    this.#requests.onUserCall();
  }

  /** Failure counters start at zero. */
  onReset(): void {
    this.#requests.onReset();
  }

  /** The clock is about to be set, or the base of the callbacks changes. */
  onUpset(): void {
    this.#lastJump = this.#world.timeline.now;
    this.#handlers.onStart();
    this.#content.onClockSet();
    this.#forgery.onClockSet();
    this.#requests.explained();
    this.#requests.forgetWaits();
  }

  onWrite(): void {
    this.#writeCount += 1;
  }

  onEffect(effect: NamedEffect): void {
    this.#late.onEffect(effect);
  }

  onDiscovery(): void {
    this.#attempts += 1;
  }

  onHandler(call: Intent['mode'], grant: GrantRecord): void {
    this.#handlers.onCall(call, grant);
  }

  beforeForgery(forgedRequests: readonly ForgedRequest[]): void {
    this.#forgery.before(forgedRequests, { requestCount: this.#requests.requestCount, writeCount: this.#writeCount });
  }

  afterForgery(refusedMode: ForgeryContext['refusedMode']): void {
    const isSettled = (grant: GrantRecord): boolean => this.#content.isSettled(grant);
    this.#forgery.after({
      requestCount: this.#requests.requestCount,
      writeCount: this.#writeCount,
      isSettled,
      refusedMode,
    });
  }

  onRequest(hub: HubModel, request: HubRequest, grant: GrantRecord, record: SubscriptionRecord): void {
    const { timeline } = this.#world;
    const { mode, callback, topic } = request;
    const place = `${hub.url} ${topic}`;
    const placeBefore = this.#places.get(callback);
    this.#expect(
      placeBefore === undefined || placeBefore === place,
      `S8 the callback of ${placeBefore} is used for ${place}`,
    );
    if (placeBefore === undefined && mode === 'subscribe') this.#newCallback(place, grant, record);
    this.#places.set(callback, place);
    this.#requests.onRequest(hub, request, grant);
    if (mode === 'subscribe') {
      this.#attempts += 1;
      this.#requestedAt.set(grant.id, timeline.now);
      this.#expect(this.isWanted && !this.isRefused, `an unwanted subscription is requested at ${hub.url}`);
      this.#expect(!isSuperseded(grant), `S6 ${grant.id} is superseded, and requested again`);
      this.#expect(topic === grant.topic, `S1 ${topic} is requested instead of ${grant.topic}`);
    } else {
      const isKnown = placeBefore === place || this.#content.isVerified(callback);
      this.#expect(isKnown, 'S6 an unsubscribe request for a grant that was never subscribed');
    }
    this.#content.onRequest(request);
  }

  /** A callback changes only by a move, a denial or a rotation, or if the previous one was never granted. */
  #newCallback(place: string, requested: GrantRecord, record: SubscriptionRecord): void {
    const { id, callback, replaces, verifiedAt } = requested;
    // Under another public URL a grant continues until it, or another grant, was requested under the current one.
    if (replaces !== undefined || verifiedAt !== undefined || !this.#isOurs(requested)) return;
    const other = record.grants.find(
      (grant) =>
        grant.callback !== callback &&
        this.#places.get(grant.callback) === place &&
        this.#isOurs(grant) &&
        grant.verifiedAt !== undefined &&
        grant.deniedAt === undefined &&
        grant.replaces !== id &&
        !isSuperseded(grant),
    );
    this.#expect(other === undefined, `S8 ${place} gets another callback than ${other?.id} has there`);
  }

  onOutcome(answer: HubAnswer, mode: 'subscribe' | 'unsubscribe', grant: GrantRecord): void {
    this.#requests.onOutcome(answer, mode, grant);
    if (mode === 'unsubscribe' || answer.type !== 'accepted' || !wasVerified(grant, this.#world.now)) return;
    this.#settled(grant);
    if (grant.pending?.denied === true) this.#content.onUnsolicitedDenial(grant.callback);
  }

  #settled(grant: GrantRecord): void {
    const { record } = this.#world;
    this.#content.onSettled(grant);
    if (record === undefined || !this.#isCurrent(record, grant)) return;
    // Other open requests may still fail.
    this.#attempts = record.grants.filter(({ id, pending }) => id !== grant.id && pending?.mode === 'subscribe').length;
  }

  onAnswer(intent: Intent, answer: CallbackResult, grant: GrantRecord, before: SubscriptionRecord): void {
    const { mode, callback } = intent;
    const { now, record } = this.#world;
    const isRequestOpen = isVerificationExpected(grant, now);
    const isRequested = isRequestOpen && grant.pending?.verified !== true;
    if (answer === 'not now') this.#handlers.onNotNow(mode, grant);
    if (mode === 'denied') {
      const after = record?.grants.find(({ id }) => id === grant.id);
      if (answer !== 'acknowledged' || after?.deniedAt !== now || grant.deniedAt === now) return;
      if (isSuperseded(grant) || grant.state === 'unsubscribing') return;
      this.#requests.onDenied(grant, isRequestOpen);
      if (!isRequestOpen) this.#content.onUnsolicitedDenial(callback);
    } else if (answer === 'refused by the handler') {
      if (mode === 'subscribe' ? !isRequested : isOver(grant)) return;
      this.#requests.explained();
      if (mode === 'subscribe') this.isRefused = true;
      else {
        // The hub was told not to end it.
        if (grant.grantedAt !== undefined && grant.provisional !== true) this.#content.onKept(grant);
        if (!isSuperseded(grant)) this.isWanted = true;
      }
    } else if (answer === 'confirmed' && mode === 'subscribe') {
      this.#expect(this.isWanted && !this.isRefused, 'V1 an unwanted subscription is confirmed');
      this.#content.onVerified(callback, isRequested);
      // A subscription that gave up starts again, as if nothing had been requested.
      if (before.stoppedBecause === 'gave-up' || before.stoppedBecause === 'denied') this.#requests.explained();
      const isDeniedStill = record?.grants.find(({ id }) => id === grant.id)?.pending?.denied === true;
      if (isRequestOpen && !isDeniedStill) this.#requests.onVerified(grant, isRequested);
      // Another grant may have been verified at the same moment. Then this one answers nothing.
      const isAnswer = record?.grants.find(({ id }) => id === grant.id)?.provisional !== true;
      if (isRequested && isAnswer && grant.pending?.accepted !== false) this.#settled(grant);
    } else if (answer === 'confirmed') {
      this.#expect(
        this.#content.isLeft(callback) || grant.state === 'unsubscribed' || grant.state === 'unsubscribing',
        'V3 an unsolicited unsubscribe is confirmed',
      );
      this.#requests.onLeft(grant);
    }
  }

  /** The invariants of every moment. */
  check(): void {
    const { record, process } = this.#world;
    if (record === undefined || process === undefined) return;
    if (record !== this.#lastChecked) this.#checkSnapshot(record);
    this.#checkScheduled(record);
    this.#late.check(record);
    this.#checkSingle(record);
    this.#checkContinues(record);
    this.#checkStopReason(record);
    this.#checkOpenRequests(record);
    this.#content.check(record, this.isWanted, this.isRefused);
    this.#recordBefore = record;
    this.#isEnding = process.isStopping;
  }

  #checkSnapshot(record: SubscriptionRecord): void {
    this.#lastChecked = record;
    this.#changeCount += 1;
    // Most changes show nothing new. Looking at each would take longer than everything else.
    if (this.#changeCount % 4 === 0)
      this.#checkHidesSecrets(JSON.stringify(subscriptionSnapshot(record, NO_STATS)), record);
  }

  #checkScheduled(record: SubscriptionRecord): void {
    const { process } = this.#world;
    if (process?.isStopping === true) return;
    const hasLiveGrant = record.grants.some(({ state }) => state === 'active' || state === 'unsubscribing');
    const isDue = process?.dueTimes.has(ID) === true;
    this.#expect(isDue || !isEnabled(record), 'L2 a wanted subscription has no scheduled work');
    this.#expect(isDue || !hasLiveGrant, 'L3 a live grant has no planned end');
    if (this.isWanted && !this.isRefused && record.stoppedBecause === undefined)
      this.#expect(isEnabled(record), 'L2 a wanted subscription is not requested');
  }

  /** D8, S8: of the accepted and verified grants, one works at each place where one is wanted. */
  #checkSingle(record: SubscriptionRecord): void {
    const { hubs } = this.#world.setup;
    const callbacks = record.grants.map(({ callback }) => callback);
    this.#expect(new Set(callbacks).size === callbacks.length, 'S8 two grants have one callback');
    const settled = record.grants.filter((grant) => isWorking(grant) && this.#content.isSettled(grant));
    const current = settled.filter((grant) => this.#isCurrent(record, grant) && !this.#content.isDoubtful(grant));
    const places = current.map(({ advertisedHub }) => (hubs === 'all' ? advertisedHub : 'anywhere'));
    this.#expect(new Set(places).size === places.length, 'D8 two grants work where one is wanted');
    for (const hub of this.#world.hubs) {
      // A moved grant is left as soon as the new place has granted.
      const working = hub.live.filter((entry) => current.some(({ callback }) => callback === entry.callback));
      const topics = working.map(({ topic }) => topic);
      this.#expect(new Set(topics).size === topics.length, `S8 ${hub.url} delivers one topic to two working callbacks`);
    }
  }

  /** V6, N1: an active grant continues until its lease ends, whoever denies it. */
  #checkContinues(record: SubscriptionRecord): void {
    const { now } = this.#world;
    if (this.#isEnding) return;
    for (const grant of this.#recordBefore?.grants ?? []) {
      if (grant.state !== 'active' || isSuperseded(grant) || (grant.expiresAt ?? 0) <= now) continue;
      const after = record.grants.find(({ id }) => id === grant.id);
      const isReplaced =
        after?.state === 'unsubscribing' &&
        isSuperseded(after) &&
        record.grants.some(
          (other) => other.id !== grant.id && this.#isGranted(other) && this.#isCurrent(record, other),
        );
      this.#expect(
        after?.state === 'active' || isReplaced,
        `V6 ${grant.id} worked and is ${after?.state ?? 'gone'} before its lease ends`,
      );
    }
  }

  #isGranted(grant: GrantRecord): boolean {
    return grant.state === 'active' && this.#content.isSettled(grant);
  }

  /** A stop reason stays until the user changes it. */
  #checkStopReason({ stoppedBecause: reason, desired, hubs, grants }: SubscriptionRecord): void {
    const before = this.#recordBefore;
    this.#expect(
      (desired === 'subscribed') === this.isWanted,
      `the subscription is ${desired}, against the user and the handler`,
    );
    if (!this.isWanted) return;
    const { setup } = this.#world;
    const isRight = this.isRefused ? reason === 'handler-refused' : reason !== 'handler-refused';
    this.#expect(isRight, `V7 the stop reason is ${reason}, and the handler refused: ${this.isRefused}`);
    if (before === undefined || reason === before.stoppedBecause) return;
    if (reason === 'denied') {
      this.#expect(setup.afterDenial === 'stop', 'N2 stopped as denied, although denials are to be retried');
      const isDenied = (hub: string): boolean =>
        grants.some(({ advertisedHub, deniedAt }) => advertisedHub === hub && deniedAt !== undefined);
      this.#expect(hubs.every(isDenied), 'N2 stopped as denied, although not all hubs denied');
    }
    if (reason === 'gave-up') {
      this.#expect(this.#attempts >= setup.maxAttempts, `L2 given up after ${this.#attempts} attempts`);
    }
  }

  /** V9: every open request was sent, and not long ago. */
  #checkOpenRequests({ grants }: SubscriptionRecord): void {
    const { now, timeline } = this.#world;
    for (const grant of grants) {
      if (grant.lateUntil === undefined || grant.lateUntil <= now) continue;
      const requestedAt = this.#requestedAt.get(grant.id) ?? -Infinity;
      if (requestedAt <= this.#lastJump) continue;
      this.#expect(timeline.now - requestedAt <= LONGEST_OPEN_MS, `V9 a request for ${grant.id} is open for too long`);
    }
  }

  /** After two days without faults: no wait is longer than a day. */
  checkAfterTwoDays(): void {
    const { record } = this.#world;
    const leaving = record?.grants.find(({ state }) => state === 'unsubscribing');
    this.#expect(leaving === undefined, `S6 ${leaving?.id} is not unsubscribed, although its hub accepts everything`);
    if (record === undefined || !isEnabled(record)) return;
    this.#expect(stateOf(record) === 'active', `N2 after two days a wanted subscription is ${stateOf(record)}`);
  }

  /** Ten minutes after a forger came, if everything else works. */
  checkAfterForger(): void {
    const { record } = this.#world;
    if (record === undefined || !isEnabled(record)) return;
    const denied = record.grants.find((grant) => !isOver(grant) && !isSuperseded(grant) && hasUnsolicitedDenial(grant));
    const isActive = stateOf(record) === 'active' && denied === undefined;
    this.#expect(
      isActive,
      `N1 ten minutes after a forger the subscription is ${stateOf(record)}, and ${denied?.id} denied`,
    );
  }

  /** After a time without faults. */
  checkEnd(): void {
    const { record, hubs, setup } = this.#world;
    if (record === undefined) return;
    this.#checkHidesSecrets(JSON.stringify(subscriptionSnapshot(record, NO_STATS)), record);
    const state = stateOf(record);
    const live = hubs.flatMap((hub) => hub.live.map((entry) => ({ hub, entry })));
    const accepted = live.filter(({ entry }) => {
      const grant = record.grants.find(({ callback }) => callback === entry.callback);
      return grant !== undefined && !isOver(grant) && record.stoppedBecause !== 'deleted';
    });
    if (!this.isWanted) {
      this.#expect(state === 'unsubscribed', `S6 at the end an unwanted subscription is ${state}`);
      this.#expect(accepted.length === 0, 'S6 at the end content of an unwanted subscription is still accepted');
      return;
    }
    if (record.stoppedBecause !== undefined) return;
    const working = record.grants.filter((grant) => isWorking(grant) && this.#isCurrent(record, grant));
    const wanted = setup.hubs === 'all' ? record.hubs.length : 1;
    this.#expect(state === 'active', `L2 at the end a wanted subscription is ${state}`);
    this.#expect(record.attempts === 0, `L2 at the end ${record.attempts} attempts are counted`);
    this.#expect(working.length === wanted, `D8 at the end ${working.length} grants work where ${wanted} are wanted`);
    for (const { callback, advertisedHub } of working) {
      const subscriptionsHere = live.filter(({ entry }) => entry.callback === callback);
      this.#expect(
        subscriptionsHere.length === 1,
        `L2 at the end ${advertisedHub} has no subscription for the working grant`,
      );
    }
    this.#expect(accepted.length === working.length, `S6 at the end ${accepted.length - working.length} more deliver`);
  }

  #isCurrent(record: SubscriptionRecord, grant: GrantRecord): boolean {
    const isAdvertised = grant.topic === record.topic && record.hubs.includes(grant.advertisedHub);
    return isAdvertised && !isSuperseded(grant) && this.#isOurs(grant);
  }

  #isOurs({ callback }: GrantRecord): boolean {
    return callback.startsWith(`${this.#world.base}/`);
  }

  #checkHidesSecrets(text: string, record = this.#world.record): void {
    if (text.includes('secret-')) this.#expect(false, `a secret leaks: ${text}`);
    for (const { verifyToken } of record?.grants ?? []) {
      if (verifyToken !== undefined) this.#expect(!text.includes(verifyToken), `a verify token leaks: ${text}`);
    }
  }

  #expect(isRight: boolean, what: string): void {
    if (isRight) return;
    this.#world.note(`WRONG: ${what}`);
    this.violations.push(what);
  }
}
