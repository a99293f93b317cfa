import type { Logger } from '../../../src/logger.js';
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
import type { Forged } from './forger.js';
import type { HubAnswer, HubModel, HubRequest, Intent } from './hub-model.js';
import { AskingWatch, wasVerified } from './model-asking.js';
import { ContentWatch } from './model-content.js';
import { ForgeryWatch, type Meanwhile } from './model-forgery.js';
import { HandlerWatch } from './model-handlers.js';
import { ID, type Watched } from './model-setup.js';
import type { Answered } from './subscriber-process.js';

/** What is written before a request leaves is made up for after so long, should the process die; clocks are a little off. */
const SAFETY_MS = 61_000;

/** A request is open for so long at most: until it is answered, until its deadline, and for ten times as long (PROTOCOL V9). */
const LONGEST_OPEN_MS = 10_000 + 60_000 + 600_000 + 1_000;

const NO_STATS = { received: 0, rejected: 0, refused: 0, delivered: 0, failed: 0, duplicates: 0, missed: 0 };

const isLeft = ({ superseded }: GrantRecord): boolean => superseded === true;

/** Keeps, apart from the record, what the user wants and what hubs were told; and notes what is wrong. */
export class ModelWatch {
  /** What is wrong, the first of it first. */
  readonly wrong: string[] = [];
  readonly logger: Logger;
  /** What the user wants. */
  isWanted = true;
  /** The service's handler refused, and nobody has said otherwise since. */
  isRefused = false;
  readonly #world: Watched;
  readonly #asking: AskingWatch;
  readonly #content: ContentWatch;
  readonly #forgery: ForgeryWatch;
  readonly #handlers: HandlerWatch;
  /** What each callback was first given to. */
  readonly #places = new Map<string, string>();
  /** By grant: when it was last asked for, in the time of hubs. */
  readonly #askedAt = new Map<string, number>();
  /** Requests and discoveries since a hub last granted what it was asked for. */
  #attempts = 0;
  #writes = 0;
  #before: SubscriptionRecord | undefined;
  #isEnding = false;
  #lastJump = -Infinity;
  #seen: SubscriptionRecord | undefined;
  #changes = 0;

  constructor(world: Watched) {
    this.#world = world;
    const expect = (isRight: boolean, what: string): void => this.#expect(isRight, what);
    this.#asking = new AskingWatch(world, expect);
    this.#content = new ContentWatch(world, expect);
    this.#forgery = new ForgeryWatch(world, expect);
    this.#handlers = new HandlerWatch(world, expect);
    const line = (fields: object | string, message = ''): void => {
      this.#hides(typeof fields === 'string' ? fields : `${Object.values(fields).map(String).join(' ')} ${message}`);
    };
    this.logger = { debug: line, info: line, warn: line, error: line, fatal: line };
  }

  /** @param isUnsure whether the process before died at a write, or one that failed was done all the same: what it last stored may not have been answered */
  onStart(isUnsure: boolean): void {
    const { record } = this.#world;
    this.#asking.explained();
    this.#content.onStart();
    this.#handlers.onStart();
    this.#isEnding = false;
    this.#before = record;
    // What is being left is taken back by asking at once.
    for (const grant of record?.grants ?? []) if (grant.state === 'unsubscribing') this.#asking.onTakenBack(grant);
    // A request that was stored and never left has failed as well.
    this.#attempts += record?.grants.filter(({ pending }) => pending !== undefined).length ?? 0;
    if (!isUnsure || record === undefined) return;
    // Whoever saw no answer cannot tell whether it was done.
    this.isWanted = record.desired === 'subscribed';
    this.isRefused = record.stoppedBecause === 'handler-refused';
    this.#content.onUnsureStart(record);
  }

  /** Nothing waits for a request that never left. */
  afterStart(): void {
    const { record, process, now } = this.#world;
    if (record === undefined || process === undefined) return;
    const due = process.dueTimes.get(ID) ?? Infinity;
    for (const { id, pending } of record.grants) {
      if (pending === undefined || pending.accepted || pending.denied === true) continue;
      const isSent = process.underWay.has(`${pending.mode} ${id}`);
      const isToBeSent = pending.mode === 'subscribe' && isEnabled(record);
      const isIdle = pending.mode === 'subscribe' && !isEnabled(record);
      this.#expect(
        isSent || (!isToBeSent && due <= now + SAFETY_MS) || isIdle,
        `S2 after a crash ${id} waits for a request that may never have left`,
      );
    }
    const isIdle = !record.grants.some((grant) => isWorking(grant) || grant.pending !== undefined);
    const hasFailed = ({ attempts, refusals = 0, deniedAt }: GrantRecord): boolean =>
      attempts + refusals > 0 || deniedAt !== undefined;
    const isWaiting = record.attempts > 0 || record.grants.some(hasFailed);
    if (!isEnabled(record) || !isIdle || isWaiting || process.underWay.size > 0) return;
    this.#expect(due <= now + SAFETY_MS, 'L4 after a start nothing works and nothing is asked within a minute');
  }

  onEnd(): void {
    this.#before = undefined;
    this.#isEnding = true;
  }

  /** The user, or the end of the process, changed what is wanted. */
  onUnwanted(isForGood: boolean): void {
    this.#asking.explained();
    if (isForGood) {
      this.isWanted = false;
      this.isRefused = false;
    }
    this.#isEnding = true;
  }

  /** @returns takes it back, where nothing came of it */
  onRetry(): () => void {
    const { isWanted, isRefused } = this;
    this.isWanted = true;
    this.isRefused = false;
    this.#asking.forgetWaits();
    return () => {
      this.isWanted = isWanted;
      this.isRefused = isRefused;
    };
  }

  onUserCall(): void {
    this.#asking.onUserCall();
  }

  /** Failures are counted anew. */
  onReset(): void {
    this.#asking.onReset();
  }

  /** The clock is about to be set, or the callbacks begin with something else. */
  onUpset(): void {
    this.#lastJump = this.#world.timeline.now;
    this.#handlers.onStart();
    this.#content.onClockSet();
    this.#forgery.onClockSet();
    this.#asking.explained();
    this.#asking.forgetWaits();
  }

  onWrite(): void {
    this.#writes += 1;
  }

  onDiscovery(): void {
    this.#attempts += 1;
  }

  onHandler(call: Intent['mode'], grant: GrantRecord): void {
    this.#handlers.onCall(call, grant);
  }

  beforeForgery(sends: readonly Forged[]): void {
    this.#forgery.before(sends, { requests: this.#asking.requests, writes: this.#writes });
  }

  afterForgery(refusing: Meanwhile['refusing']): void {
    const isSettled = (grant: GrantRecord): boolean => this.#content.isSettled(grant);
    this.#forgery.after({ requests: this.#asking.requests, writes: this.#writes, isSettled, refusing });
  }

  onRequest(hub: HubModel, request: HubRequest, grant: GrantRecord, record: SubscriptionRecord): void {
    const { timeline } = this.#world;
    const { mode, callback, topic } = request;
    const place = `${hub.url} ${topic}`;
    const before = this.#places.get(callback);
    this.#expect(before === undefined || before === place, `S8 the callback of ${before} is given to ${place}`);
    if (before === undefined && mode === 'subscribe') this.#newCallback(place, grant, record);
    this.#places.set(callback, place);
    this.#asking.onRequest(hub, request, grant);
    if (mode === 'subscribe') {
      this.#attempts += 1;
      this.#askedAt.set(grant.id, timeline.now);
      this.#expect(this.isWanted && !this.isRefused, `what is not wanted is asked for at ${hub.url}`);
      this.#expect(!isLeft(grant), `S6 ${grant.id} has been left, and is asked for again`);
      this.#expect(topic === grant.topic, `S1 ${topic} is asked for instead of ${grant.topic}`);
    } else {
      const isKnown = before === place || this.#content.isVerified(callback);
      this.#expect(isKnown, 'S6 what was never subscribed is unsubscribed');
    }
    this.#content.onRequest(request);
  }

  /** No callback changes but by a move, a denial, a rotation, or where the one before was never granted. */
  #newCallback(place: string, asked: GrantRecord, record: SubscriptionRecord): void {
    const { id, callback, replaces, verifiedAt } = asked;
    // Under another public URL it goes on until it has been asked for under the present one, itself or another grant.
    if (replaces !== undefined || verifiedAt !== undefined || !this.#isOurs(asked)) return;
    const other = record.grants.find(
      (grant) =>
        grant.callback !== callback &&
        this.#places.get(grant.callback) === place &&
        this.#isOurs(grant) &&
        grant.verifiedAt !== undefined &&
        grant.deniedAt === undefined &&
        grant.replaces !== id &&
        !isLeft(grant),
    );
    this.#expect(other === undefined, `S8 ${place} is given another callback than ${other?.id} has there`);
  }

  onOutcome(answer: HubAnswer, mode: 'subscribe' | 'unsubscribe', grant: GrantRecord): void {
    this.#asking.onOutcome(answer, mode, grant);
    if (mode === 'unsubscribe' || answer.type !== 'accepted' || !wasVerified(grant, this.#world.now)) return;
    this.#settled(grant);
    if (grant.pending?.denied === true) this.#content.onDeniedUnasked(grant.callback);
  }

  #settled(grant: GrantRecord): void {
    const { record } = this.#world;
    this.#content.onSettled(grant);
    if (record === undefined || !this.#isPresent(record, grant)) return;
    // Other requests that are open may fail yet.
    this.#attempts = record.grants.filter(({ id, pending }) => id !== grant.id && pending?.mode === 'subscribe').length;
  }

  onAnswer(intent: Intent, answer: Answered, grant: GrantRecord, before: SubscriptionRecord): void {
    const { mode, callback } = intent;
    const { now, record } = this.#world;
    const isRequestOpen = isVerificationExpected(grant, now);
    const isAsked = isRequestOpen && grant.pending?.verified !== true;
    if (answer === 'not now') this.#handlers.onNotNow(mode, grant);
    if (mode === 'denied') {
      const after = record?.grants.find(({ id }) => id === grant.id);
      if (answer !== 'acknowledged' || after?.deniedAt !== now || grant.deniedAt === now) return;
      if (isLeft(grant) || grant.state === 'unsubscribing') return;
      this.#asking.onDenied(grant, isRequestOpen);
      if (!isRequestOpen) this.#content.onDeniedUnasked(callback);
    } else if (answer === 'refused by the handler') {
      if (mode === 'subscribe' ? !isAsked : isOver(grant)) return;
      this.#asking.explained();
      if (mode === 'subscribe') this.isRefused = true;
      else {
        // Its hub was told not to end it.
        if (grant.grantedAt !== undefined && grant.provisional !== true) this.#content.onKept(grant);
        if (!isLeft(grant)) this.isWanted = true;
      }
    } else if (answer === 'confirmed' && mode === 'subscribe') {
      this.#expect(this.isWanted && !this.isRefused, 'V1 a subscription is confirmed that is not wanted');
      this.#content.onVerified(callback, isAsked);
      // What was given up is taken up again, as if nothing had been asked for.
      if (before.stoppedBecause === 'gave-up' || before.stoppedBecause === 'denied') this.#asking.explained();
      const isDeniedStill = record?.grants.find(({ id }) => id === grant.id)?.pending?.denied === true;
      if (isRequestOpen && !isDeniedStill) this.#asking.onVerified(grant, isAsked);
      // Something else may have been granted at the same moment: then it answers nothing any more.
      const isTaken = record?.grants.find(({ id }) => id === grant.id)?.provisional !== true;
      if (isAsked && isTaken && grant.pending?.accepted !== false) this.#settled(grant);
    } else if (answer === 'confirmed') {
      this.#expect(
        this.#content.isLeft(callback) || grant.state === 'unsubscribed' || grant.state === 'unsubscribing',
        'V3 an unsubscription is confirmed that nobody asked for',
      );
      this.#asking.onLeft(grant);
    }
  }

  /** All that is to hold at any time. */
  check(): void {
    const { record, process } = this.#world;
    if (record === undefined || process === undefined) return;
    if (record !== this.#seen) this.#shows(record);
    this.#isScheduled(record);
    this.#areSingle(record);
    this.#goesOn(record);
    this.#isHeld(record);
    this.#areOpenRightly(record);
    this.#content.check(record, this.isWanted, this.isRefused);
    this.#before = record;
    this.#isEnding = process.isClosing;
  }

  #shows(record: SubscriptionRecord): void {
    this.#seen = record;
    this.#changes += 1;
    // Most changes show nothing new, and to look at each would take longer than all the rest.
    if (this.#changes % 4 === 0) this.#hides(JSON.stringify(subscriptionSnapshot(record, NO_STATS)), record);
  }

  #isScheduled(record: SubscriptionRecord): void {
    const { process } = this.#world;
    if (process?.isClosing === true) return;
    const isHolding = record.grants.some(({ state }) => state === 'active' || state === 'unsubscribing');
    const isDue = process?.dueTimes.has(ID) === true;
    this.#expect(isDue || !isEnabled(record), 'L2 what is wanted has nothing scheduled');
    this.#expect(isDue || !isHolding, 'L3 what is held has no end');
    if (this.isWanted && !this.isRefused && record.stoppedBecause === undefined)
      this.#expect(isEnabled(record), 'L2 what is wanted is not asked for');
  }

  /** D8, S8: of what its hubs took and verified, one grant works at each place where one is wanted. */
  #areSingle(record: SubscriptionRecord): void {
    const { hubs } = this.#world.setup;
    const callbacks = record.grants.map(({ callback }) => callback);
    this.#expect(new Set(callbacks).size === callbacks.length, 'S8 two grants have one callback');
    const settled = record.grants.filter((grant) => isWorking(grant) && this.#content.isSettled(grant));
    const present = settled.filter((grant) => this.#isPresent(record, grant) && !this.#content.isDoubtful(grant));
    const places = present.map(({ advertisedHub }) => (hubs === 'all' ? advertisedHub : 'anywhere'));
    this.#expect(new Set(places).size === places.length, 'D8 two grants work where one is wanted');
    for (const hub of this.#world.hubs) {
      // What has moved is left as soon as it is had at its new place.
      const working = hub.live.filter((entry) => present.some(({ callback }) => callback === entry.callback));
      const topics = working.map(({ topic }) => topic);
      this.#expect(new Set(topics).size === topics.length, `S8 ${hub.url} delivers one topic to two working callbacks`);
    }
  }

  /** V6, N1: what is active goes on until its own lease ends, whoever denies it. */
  #goesOn(record: SubscriptionRecord): void {
    const { now } = this.#world;
    if (this.#isEnding) return;
    for (const grant of this.#before?.grants ?? []) {
      if (grant.state !== 'active' || isLeft(grant) || (grant.expiresAt ?? 0) <= now) continue;
      const after = record.grants.find(({ id }) => id === grant.id);
      const isReplaced =
        after?.state === 'unsubscribing' &&
        isLeft(after) &&
        record.grants.some(
          (other) => other.id !== grant.id && this.#isGranted(other) && this.#isPresent(record, other),
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

  /** What holds a subscription holds until the user says otherwise. */
  #isHeld({ stoppedBecause: hold, desired, hubs, grants }: SubscriptionRecord): void {
    const before = this.#before;
    this.#expect(
      (desired === 'subscribed') === this.isWanted,
      `it is ${desired}, which is not what the user wants, or the handler`,
    );
    if (!this.isWanted) return;
    const { setup } = this.#world;
    const isRight = this.isRefused ? hold === 'handler-refused' : hold !== 'handler-refused';
    this.#expect(isRight, `V7 the hold is ${hold}, and the handler refused: ${this.isRefused}`);
    if (before === undefined || hold === before.stoppedBecause) return;
    if (hold === 'denied') {
      this.#expect(setup.afterDenial === 'stop', 'N2 held as denied, although hubs are to be asked again');
      const isDenied = (hub: string): boolean =>
        grants.some(({ advertisedHub, deniedAt }) => advertisedHub === hub && deniedAt !== undefined);
      this.#expect(hubs.every(isDenied), 'N2 held as denied although not all hubs denied');
    }
    if (hold === 'gave-up') {
      this.#expect(this.#attempts >= setup.maxAttempts, `L2 given up after ${this.#attempts} attempts`);
    }
  }

  /** V9: what counts as open was asked for, and not long ago. */
  #areOpenRightly({ grants }: SubscriptionRecord): void {
    const { now, timeline } = this.#world;
    for (const grant of grants) {
      if (grant.lateUntil === undefined || grant.lateUntil <= now) continue;
      const askedAt = this.#askedAt.get(grant.id) ?? -Infinity;
      if (askedAt <= this.#lastJump) continue;
      this.#expect(timeline.now - askedAt <= LONGEST_OPEN_MS, `V9 a request for ${grant.id} is open for too long`);
    }
  }

  /** After two days without faults: no wait is longer than one. */
  checkCome(): void {
    const { record } = this.#world;
    const leaving = record?.grants.find(({ state }) => state === 'unsubscribing');
    this.#expect(
      leaving === undefined,
      `S6 ${leaving?.id} has not been left, although its hub has done all it is asked`,
    );
    if (record === undefined || !isEnabled(record)) return;
    this.#expect(stateOf(record) === 'active', `N2 after two days what is wanted is ${stateOf(record)}`);
  }

  /** Ten minutes after a forger came, where all else is well. */
  checkUndone(): void {
    const { record } = this.#world;
    if (record === undefined || !isEnabled(record)) return;
    const denied = record.grants.find((grant) => !isOver(grant) && !isLeft(grant) && hasUnsolicitedDenial(grant));
    const isActive = stateOf(record) === 'active' && denied === undefined;
    this.#expect(isActive, `N1 ten minutes after a forger it is ${stateOf(record)}, and ${denied?.id} denied`);
  }

  /** After a time without faults. */
  checkEnd(): void {
    const { record, hubs, setup } = this.#world;
    if (record === undefined) return;
    this.#hides(JSON.stringify(subscriptionSnapshot(record, NO_STATS)), record);
    const state = stateOf(record);
    const live = hubs.flatMap((hub) => hub.live.map((entry) => ({ hub, entry })));
    const accepted = live.filter(({ entry }) => {
      const grant = record.grants.find(({ callback }) => callback === entry.callback);
      return grant !== undefined && !isOver(grant) && record.stoppedBecause !== 'deleted';
    });
    if (!this.isWanted) {
      this.#expect(state === 'unsubscribed', `S6 at the end what is not wanted is ${state}`);
      this.#expect(accepted.length === 0, 'S6 at the end content of what is not wanted is still accepted');
      return;
    }
    if (record.stoppedBecause !== undefined) return;
    const working = record.grants.filter((grant) => isWorking(grant) && this.#isPresent(record, grant));
    const wanted = setup.hubs === 'all' ? record.hubs.length : 1;
    this.#expect(state === 'active', `L2 at the end what is wanted is ${state}`);
    this.#expect(record.attempts === 0, `L2 at the end ${record.attempts} attempts are counted`);
    this.#expect(working.length === wanted, `D8 at the end ${working.length} grants work where ${wanted} are wanted`);
    for (const { callback, advertisedHub } of working) {
      const here = live.filter(({ entry }) => entry.callback === callback);
      this.#expect(here.length === 1, `L2 at the end ${advertisedHub} has nothing of what works there`);
    }
    this.#expect(accepted.length === working.length, `S6 at the end ${accepted.length - working.length} more deliver`);
  }

  #isPresent(record: SubscriptionRecord, grant: GrantRecord): boolean {
    const isAdvertised = grant.topic === record.topic && record.hubs.includes(grant.advertisedHub);
    return isAdvertised && !isLeft(grant) && this.#isOurs(grant);
  }

  #isOurs({ callback }: GrantRecord): boolean {
    return callback.startsWith(`${this.#world.base}/`);
  }

  #hides(text: string, record = this.#world.record): void {
    if (text.includes('secret-')) this.#expect(false, `a secret gets out: ${text}`);
    for (const { verifyToken } of record?.grants ?? []) {
      if (verifyToken !== undefined) this.#expect(!text.includes(verifyToken), `a verify token gets out: ${text}`);
    }
  }

  #expect(isRight: boolean, what: string): void {
    if (isRight) return;
    this.#world.note(`WRONG: ${what}`);
    this.wrong.push(what);
  }
}
