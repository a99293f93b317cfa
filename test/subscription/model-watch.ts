import type { Logger } from '../../src/logger.js';
import { callbackKey } from '../../src/subscription/callback-key.js';
import type { GrantRecord, SubscriptionRecord } from '../../src/subscription/record.js';
import { acceptedSecrets } from '../../src/subscription/secrets.js';
import { subscriptionSnapshot } from '../../src/subscription/snapshot-of.js';
import { stateOf } from '../../src/subscription/state.js';
import type { HubEntry, HubModel, HubRequest, Intent } from './hub-model.js';
import { DAY } from './life.js';
import type { CallbackAnswer, SubscriberProcess } from './subscriber-process.js';
import type { Timeline } from './timeline.js';

/** The subscription there is. */
export const ID = 'the subscription';

/** The longest lease that is taken as it is. */
export const LONGEST_LEASE_MS = 12 * DAY;

/** What stays as it is for a whole run. */
export interface Setup {
  readonly seed: number;
  readonly hubs: 'failover' | 'all';
  readonly maxAttempts: number;
  readonly protocol: 'websub' | 'pubsubhubbub-0.3';
  /** Whether hub and topic are given, so that nothing is discovered. */
  readonly isGiven: boolean;
}

/** What is looked at. */
export interface Watched {
  readonly setup: Setup;
  readonly timeline: Timeline;
  readonly hubs: readonly HubModel[];
  readonly process: SubscriberProcess | undefined;
  readonly record: SubscriptionRecord | undefined;
  /** The subscriber's time, and how far it is off. */
  readonly now: number;
  readonly skew: number;
  /** What its callbacks begin with. */
  readonly base: string;
  readonly note: (what: string) => void;
}

/** What is written before a request leaves is made up for after so long, should the process die; clocks are a little off. */
const SAFETY_MS = 61_000;

/** More requests than this in a day, but for those that a verification followed, are a storm. */
export const MOST_REQUESTS_A_DAY = 150;

const NO_STATS = { received: 0, rejected: 0, delivered: 0, failed: 0, missed: 0 };

const isLeft = ({ superseded }: GrantRecord): boolean => superseded === true;
const isOver = ({ state }: GrantRecord): boolean => state === 'denied' || state === 'unsubscribed';
const isWorking = (grant: GrantRecord): boolean => grant.state === 'active' && !isLeft(grant);

/** A request as it left. Times are those of hubs. */
interface Sent {
  readonly at: number;
  readonly grantId: string;
  readonly mode: 'subscribe' | 'unsubscribe';
}

/** Keeps, apart from the record, what the user wants and what hubs were told; and notes what is wrong. */
export class ModelWatch {
  /** What is wrong, the first of it first. */
  readonly wrong: string[] = [];
  readonly logger: Logger;
  /** What the user wants. */
  isWanted = true;
  /** The service's handler refused, and nobody has said otherwise since. */
  isRefused = false;
  /** Hubs that denied since the user last asked. */
  readonly barred = new Set<string>();
  readonly #barredFor = new Set<string>();
  readonly #world: Watched;
  /** By callback key: when its lease ends as its verifications said, in the subscriber's time. */
  readonly #leases = new Map<string, number>();
  /** Keys of callbacks that ended by a denial, or that the subscriber asked to end. */
  readonly #denied = new Set<string>();
  readonly #leaving = new Set<string>();
  /** What each callback was first given to. */
  readonly #places = new Map<string, string>();
  /** By callback key: the secret that was last asked for, and since when it counts as verified. */
  readonly #secrets = new Map<string, { readonly value: string | null; verifiedAt: number | undefined }>();
  #before: SubscriptionRecord | undefined;
  #sent: Sent[] = [];
  /** What explains that a hub is asked again at once: the user, or a new process. */
  #asking = new Set<string>();
  #userAt = -Infinity;
  #startedAt = -Infinity;
  #isEnding = false;
  #lastJump = -Infinity;
  #seen: SubscriptionRecord | undefined;
  #changes = 0;

  constructor(world: Watched) {
    this.#world = world;
    const line = (fields: object | string, message = ''): void => {
      this.#hides(typeof fields === 'string' ? fields : `${Object.values(fields).map(String).join(' ')} ${message}`);
    };
    this.logger = { debug: line, info: line, warn: line, error: line, fatal: line };
  }

  /** @param isUnsure whether the process before died at a write, or one that failed was done all the same: what it last stored may not have been answered */
  onStart(isUnsure: boolean): void {
    const { record } = this.#world;
    this.#asking.clear();
    this.#startedAt = this.#world.timeline.now;
    this.#isEnding = false;
    this.#before = record;
    if (!isUnsure || record === undefined) return;
    // Whoever saw no answer cannot tell whether it was done.
    this.isWanted = record.desired === 'subscribed';
    this.isRefused = record.hold === 'handler-refused';
    const denied = record.grants.flatMap(({ state, callback }) => (state === 'denied' ? callback : []));
    for (const callback of denied) this.#denied.add(callbackKey(callback));
    for (const { callback, expiresAt, state, verifiedAt } of record.grants) {
      const secret = this.#secrets.get(callbackKey(callback));
      if (secret !== undefined && verifiedAt !== undefined) secret.verifiedAt ??= verifiedAt - this.#world.skew;
      if (state === 'expired') this.#leases.delete(callbackKey(callback));
      else if (expiresAt !== undefined && (state === 'active' || state === 'unsubscribing'))
        this.#leases.set(callbackKey(callback), expiresAt);
    }
    this.barred.clear();
    for (const hub of record.deniedBy) this.barred.add(hub);
    for (const place of this.#barredFor) {
      if (!record.deniedBy.some((hub) => place.startsWith(hub))) this.#barredFor.delete(place);
    }
  }

  /** Nothing waits for a request that never left. */
  afterStart(): void {
    const { record, process, now } = this.#world;
    if (record === undefined || process === undefined) return;
    const due = process.dueTimes.get(ID) ?? Infinity;
    const isAsking = record.desired === 'subscribed' && record.hold === undefined;
    for (const grant of record.grants) {
      if (grant.pending === undefined || grant.pending.accepted) continue;
      const isSent = process.underWay.has(`${grant.pending.mode} ${grant.id}`);
      const isToBeSent = grant.pending.mode === 'subscribe' && isAsking && !this.barred.has(grant.advertisedHub);
      this.#expect(
        isSent || (!isToBeSent && due <= now + SAFETY_MS) || (grant.pending.mode === 'subscribe' && !isAsking),
        `S2 after a crash ${grant.id} waits for a request that may never have left`,
      );
    }
    const isIdle = !record.grants.some((grant) => isWorking(grant) || grant.pending !== undefined);
    const isWaiting = record.attempts > 0 || record.grants.some(({ attempts }) => attempts > 0);
    if (!isAsking || !isIdle || isWaiting || process.underWay.size > 0) return;
    this.#expect(due <= now + SAFETY_MS, 'L4 after a start nothing works and nothing is asked within a minute');
  }

  onEnd(): void {
    this.#before = undefined;
    this.#isEnding = true;
  }

  /** The user, or the end of the process, changed what is wanted. */
  onUnwanted(isForGood: boolean): void {
    if (isForGood) {
      this.isWanted = false;
      this.isRefused = false;
    }
    this.#isEnding = true;
  }

  /** @returns takes it back, where nothing came of it */
  onRetry(): () => void {
    const { isWanted, isRefused } = this;
    const [barred, barredFor] = [[...this.barred], [...this.#barredFor]];
    this.isWanted = true;
    this.isRefused = false;
    this.barred.clear();
    this.#barredFor.clear();
    return () => {
      this.isWanted = isWanted;
      this.isRefused = isRefused;
      for (const hub of barred) this.barred.add(hub);
      for (const place of barredFor) this.#barredFor.add(place);
    };
  }

  onUserCall(): void {
    this.#asking.clear();
    this.#userAt = this.#world.timeline.now;
  }

  /** The clock is about to be set. */
  onClockSet(): void {
    const { now, timeline } = this.#world;
    this.#lastJump = timeline.now;
    // What has ended by the clock until now has, whatever the next one says.
    for (const [key, end] of this.#leases) if (end <= now) this.#leases.delete(key);
    this.#asking.clear();
  }

  onRequest(hub: HubModel, request: HubRequest, grant: GrantRecord, record: SubscriptionRecord): void {
    const { timeline } = this.#world;
    const { mode, callback, topic } = request;
    const place = `${hub.url} ${topic}`;
    const before = this.#places.get(callback);
    this.#expect(before === undefined || before === place, `S8 the callback of ${before} is given to ${place}`);
    if (before === undefined && mode === 'subscribe') this.#newCallback(place, callback, record);
    this.#places.set(callback, place);
    if (mode === 'subscribe') {
      const known = this.#secrets.get(callbackKey(callback));
      if (known?.value !== request.secret) {
        this.#secrets.set(callbackKey(callback), { value: request.secret, verifiedAt: undefined });
      }
      this.#expect(this.isWanted && !this.isRefused, `what is not wanted is asked for at ${hub.url}`);
      this.#expect(!this.#barredFor.has(place), `N2 ${hub.url} has denied ${topic} and is asked again`);
      this.#expect(!isLeft(grant), `S6 ${grant.id} has been left, and is asked for again`);
      this.#expect(topic === grant.topic, `S1 ${topic} is asked for instead of ${grant.topic}`);
    } else {
      this.#leaving.add(callbackKey(callback));
      this.#expect(
        before === place || this.#leases.has(callbackKey(callback)),
        'S6 what was never subscribed is unsubscribed',
      );
    }
    const key = `${mode} ${grant.id}`;
    const last = this.#sent.findLast((sent) => sent.grantId === grant.id && sent.mode === mode);
    // A lease that ran out is asked for again at once (L3).
    // What was to be asked for, twice over, may have had to wait for a request that was open.
    const isQueued = this.#sent.some(
      (sent) => sent !== last && sent.grantId === grant.id && timeline.now - sent.at <= 10_000,
    );
    const isUsers = timeline.now - this.#userAt <= 10_000;
    const isExpired = grant.state === 'expired' && (grant.expiresAt ?? 0) - this.#world.skew > (last?.at ?? 0);
    this.#expect(
      last === undefined ||
        isExpired ||
        isUsers ||
        isQueued ||
        !this.#asking.has(key) ||
        timeline.now - last.at >= 1_000,
      `L2 ${hub.url} is asked twice within a second for one grant`,
    );
    this.#asking.add(key);
    this.#sent = this.#sent.filter(({ at }) => at > timeline.now - DAY);
    this.#sent.push({ at: timeline.now, grantId: grant.id, mode });
    this.#expect(
      this.#sent.length <= MOST_REQUESTS_A_DAY,
      `L2 a storm: more than ${MOST_REQUESTS_A_DAY} requests in a day`,
    );
  }

  /** No callback changes but by a move, a denial, or where the one before was never granted. */
  #newCallback(place: string, callback: string, record: SubscriptionRecord): void {
    const other = record.grants.find(
      (grant) =>
        grant.callback !== callback &&
        this.#places.get(grant.callback) === place &&
        this.#isOurs(grant) &&
        grant.verifiedAt !== undefined &&
        grant.state !== 'denied' &&
        !isLeft(grant),
    );
    this.#expect(other === undefined, `S8 ${place} is given another callback than ${other?.id} has there`);
  }

  onAnswer(intent: Intent, answer: CallbackAnswer, grant: GrantRecord, before: SubscriptionRecord): void {
    const { mode, callback, lease } = intent;
    if (mode === 'denied') {
      if (isOver(grant) || answer === 'not now') return;
      this.#denied.add(callbackKey(callback));
      if (isLeft(grant) || (before.topic !== undefined && before.topic !== grant.topic)) return;
      this.barred.add(grant.advertisedHub);
      this.#barredFor.add(`${grant.advertisedHub} ${grant.topic}`);
    } else if (answer === 'refused by the handler') {
      this.#asking.clear();
      if (mode === 'subscribe') this.isRefused = true;
      else if (grant.state !== 'unsubscribed' && !isLeft(grant)) this.isWanted = true;
    } else if (answer === 'confirmed' && mode === 'subscribe') {
      this.#expect(this.isWanted && !this.isRefused, 'V1 a subscription is confirmed that is not wanted');
      this.#leases.set(callbackKey(callback), this.#world.now + leaseMs(lease));
      this.#denied.delete(callbackKey(callback));
      this.#leaving.delete(callbackKey(callback));
      // What was given up is taken up again, as if nothing had been asked for.
      if (before.hold === 'gave-up') this.#asking.clear();
      // A hub that denied another callback, and grants this one, does not deny.
      if (before.topic === grant.topic && before.hubs.includes(grant.advertisedHub) && this.#isOurs(grant)) {
        this.barred.delete(grant.advertisedHub);
        this.#barredFor.delete(`${grant.advertisedHub} ${grant.topic}`);
      }
      const secret = this.#secrets.get(callbackKey(callback));
      if (secret !== undefined) secret.verifiedAt ??= this.#world.timeline.now;
      // What a verification followed is no storm.
      this.#sent = this.#sent.filter(({ grantId }) => grantId !== grant.id);
    } else if (answer === 'confirmed') {
      this.#expect(
        this.#leaving.has(callbackKey(callback)) || grant.state === 'unsubscribed' || grant.state === 'unsubscribing',
        'V3 an unsubscription is confirmed that nobody asked for',
      );
      this.#sent = this.#sent.filter(({ grantId }) => grantId !== grant.id);
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
    for (const hub of this.#world.hubs) for (const entry of hub.live) this.#isAccepted(entry, record);
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
    const isAsking = record.desired === 'subscribed' && record.hold === undefined;
    const isHolding = record.grants.some(({ state }) => state === 'active' || state === 'unsubscribing');
    const isDue = process?.dueTimes.has(ID) === true;
    this.#expect(isDue || !isAsking, 'L2 what is wanted has nothing scheduled');
    this.#expect(isDue || !isHolding, 'L3 what is held has no end');
    if (this.isWanted && !this.isRefused && record.hold === undefined)
      this.#expect(isAsking, 'L2 what is wanted is not asked for');
  }

  #areSingle(record: SubscriptionRecord): void {
    const { hubs } = this.#world.setup;
    const callbacks = record.grants.map(({ callback }) => callback);
    this.#expect(new Set(callbacks).size === callbacks.length, 'S8 two grants have one callback');
    const present = record.grants.filter((grant) => isWorking(grant) && this.#isPresent(record, grant));
    const places = present.map(({ advertisedHub }) => (hubs === 'all' ? advertisedHub : 'anywhere'));
    this.#expect(new Set(places).size === places.length, 'D8 two grants work where one is wanted');
    for (const hub of this.#world.hubs) {
      const working = hub.live.filter((entry) => {
        const grant = record.grants.find(({ callback }) => callback === entry.callback);
        // What has moved away altogether is left as soon as it is had at its new place.
        return grant !== undefined && isWorking(grant) && record.hubs.includes(grant.advertisedHub);
      });
      const topics = working.map(({ topic }) => topic);
      this.#expect(new Set(topics).size === topics.length, `S8 ${hub.url} delivers one topic to two working callbacks`);
    }
  }

  /** V6: what works goes on until its own lease ends. */
  #goesOn(record: SubscriptionRecord): void {
    const { now } = this.#world;
    if (this.#isEnding) return;
    for (const grant of this.#before?.grants ?? []) {
      if (!isWorking(grant) || (grant.expiresAt ?? 0) <= now || this.#denied.has(callbackKey(grant.callback))) continue;
      const after = record.grants.find(({ id }) => id === grant.id);
      const isReplaced =
        after?.state === 'unsubscribing' &&
        isLeft(after) &&
        record.grants.some((other) => other.id !== grant.id && isWorking(other) && this.#isPresent(record, other));
      this.#expect(
        after?.state === 'active' || isReplaced,
        `V6 ${grant.id} worked and is ${after?.state ?? 'gone'} before its lease ends`,
      );
    }
  }

  /** What holds a subscription holds until the user says otherwise. */
  #isHeld({ hold, desired, hubs }: SubscriptionRecord): void {
    const before = this.#before;
    this.#expect(
      (desired === 'subscribed') === this.isWanted,
      `it is ${desired}, which is not what the user wants, or the handler`,
    );
    if (!this.isWanted) return;
    const isRight = this.isRefused ? hold === 'handler-refused' || hold === 'denied' : hold !== 'handler-refused';
    this.#expect(isRight, `V7 the hold is ${hold}, and the handler refused: ${this.isRefused}`);
    if (hold === 'denied' && before?.hold !== 'denied' && before !== undefined) {
      this.#expect(
        hubs.every((hub) => this.barred.has(hub)),
        'N2 held as denied although not all hubs denied',
      );
    }
    if (before?.hold === 'denied' && this.barred.size > 0) {
      this.#expect(
        hold === 'denied' || hold === 'handler-refused',
        `N2 what was held as denied is ${hold} without a retry`,
      );
    }
    this.#expect(hold !== 'gave-up' || Number.isFinite(this.#world.setup.maxAttempts), 'L2 given up without a limit');
  }

  /** V6, C1: what a hub sends within its lease is accepted, signed as it signs. */
  #isAccepted({ topic, callback, secret, secretAskedAt, isVerified }: HubEntry, record: SubscriptionRecord): void {
    const { now, timeline, process } = this.#world;
    if (record.hold === 'deleted' || this.#denied.has(callbackKey(callback))) return;
    // What has ended has, also when the clock is set back.
    if ((this.#leases.get(callbackKey(callback)) ?? 0) <= now) return void this.#leases.delete(callbackKey(callback));
    const grant = process?.registry.match(callbackKey(callback))?.grant;
    const isEnding = this.#leaving.has(callbackKey(callback)) || !this.isWanted;
    if (isEnding && (grant === undefined || isOver(grant))) return;
    this.#expect(grant !== undefined, `C1 ${topic} is delivered to a callback that is not known any more`);
    if (grant === undefined) return;
    this.#expect(!isOver(grant), `C1 ${topic} is delivered within its lease to ${grant.id}, which is ${grant.state}`);
    const asked = this.#secrets.get(callbackKey(callback));
    // A hub that verifies while it is asked for another secret is taken to have verified that one.
    const isReplaced = asked !== undefined && asked.value !== secret && asked.verifiedAt !== undefined;
    if (isReplaced && timeline.now - (asked.verifiedAt ?? 0) >= DAY) return;
    // Nor can a process that was down have had it told again before it lapsed.
    if (this.#startedAt - secretAskedAt > DAY / 2) return;
    const isPromised = isVerified && !isEnding && !this.isRefused && record.hold === undefined && !isLeft(grant);
    if (secretAskedAt <= this.#lastJump || (!isPromised && timeline.now - secretAskedAt >= DAY)) return;
    const { values, unsigned } = acceptedSecrets(grant.secrets, now);
    this.#expect(
      secret === null ? unsigned : unsigned || values.includes(secret),
      `V6 ${topic} is signed with a secret that is not accepted any more at ${grant.id}`,
    );
  }

  /** After two days without faults: no wait is longer than one. */
  checkLeft(): void {
    const leaving = this.#world.record?.grants.find(({ state }) => state === 'unsubscribing');
    this.#expect(
      leaving === undefined,
      `S6 ${leaving?.id} has not been left, although its hub has done all it is asked`,
    );
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
      return grant !== undefined && !isOver(grant) && record.hold !== 'deleted';
    });
    if (!this.isWanted) {
      this.#expect(state === 'unsubscribed', `S6 at the end what is not wanted is ${state}`);
      this.#expect(accepted.length === 0, 'S6 at the end content of what is not wanted is still accepted');
      return;
    }
    if (record.hold !== undefined) return;
    const advertised = record.hubs.filter((hub) => !this.barred.has(hub));
    const present = record.grants.filter((grant) => isWorking(grant) && this.#isPresent(record, grant));
    const wanted = setup.hubs === 'all' ? advertised.length : Math.min(1, advertised.length);
    this.#expect(state === 'active', `L2 at the end what is wanted is ${state}`);
    this.#expect(wanted === 0 || record.attempts === 0, `L2 at the end ${record.attempts} attempts are counted`);
    this.#expect(present.length === wanted, `D8 at the end ${present.length} grants work where ${wanted} are wanted`);
    const working = wanted === 0 ? record.grants.filter(isWorking) : present;
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

function leaseMs(given: string | undefined): number {
  const seconds = Number(given ?? 0);
  return seconds > 0 ? Math.min(seconds * 1000, LONGEST_LEASE_MS) : DAY;
}
