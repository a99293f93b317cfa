import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { isOver } from '../../../src/subscription/machine/state.js';
import type { HubEntry, HubRequest } from './hub-model.js';
import { DAY } from '../machine/life.js';
import type { Expect, Watched } from './model-setup.js';
import { contentStatus } from './subscriber-process.js';

interface AskedSecret {
  readonly value: string | null;
  /** Since when it counts as verified, in the time of hubs. */
  verifiedAt: number | undefined;
}

/** What is known of a callback, apart from the record. */
interface Callback {
  secret?: AskedSecret;
  /** The last of them that was verified. */
  verified?: AskedSecret;
  /** The subscriber asked its hub to end it. */
  isLeft: boolean;
  /** When somebody denied it unasked, in the time of hubs. */
  deniedAt?: number | undefined;
  /** When its lease ends, in the subscriber's time. */
  expiresAt?: number | undefined;
  verifiedAt: number;
  /** Its hub once took a request, and verified it. */
  wasSettled: boolean;
  /** It is over, and that was right. */
  isOver: boolean;
  /** Its last request was denied after it had been verified: either may be forged. */
  isDoubtful?: boolean;
}

/** Keeps what hubs were told of each callback, and notes where what they send there would be turned away. */
export class ContentWatch {
  readonly #world: Watched;
  readonly #expect: Expect;
  readonly #callbacks = new Map<string, Callback>();
  /** When a request of each grant was last taken and verified, in the time of hubs. */
  readonly #settled = new Map<string, number>();
  #startedAt = -Infinity;
  /** When nothing was asked for last, because it had been given up. */
  #heldAt = -Infinity;
  #lastJump = -Infinity;

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  onStart(): void {
    this.#startedAt = this.#world.timeline.now;
  }

  onClockSet(): void {
    this.#lastJump = this.#world.timeline.now;
  }

  onRequest({ mode, callback, secret }: HubRequest): void {
    const known = this.#at(callback);
    if (mode === 'unsubscribe') known.isLeft = true;
    else if (known.secret?.value !== secret) known.secret = { value: secret, verifiedAt: undefined };
  }

  /** What was asked for was left before, or is to be. */
  isLeft(callback: string): boolean {
    return this.#at(callback).isLeft;
  }

  isVerified(callback: string): boolean {
    return this.#at(callback).verifiedAt > -Infinity;
  }

  isSettled({ id }: GrantRecord): boolean {
    return this.#settled.has(id);
  }

  onVerified(callback: string, isAsked: boolean): void {
    const known = this.#at(callback);
    const { now } = this.#world.timeline;
    known.verifiedAt = now;
    // Who verifies unasked while a request with another secret is under way may be taken for the hub that answers it.
    verifySecret(known, now);
    if (isAsked) Object.assign(known, { isLeft: false, isOver: false, deniedAt: undefined });
  }

  onSettled({ id, callback, pending }: GrantRecord): void {
    this.#settled.set(id, this.#world.timeline.now);
    Object.assign(this.#at(callback), { wasSettled: true, isDoubtful: pending?.denied === true });
  }

  /** What was to be left is not. */
  onKept({ id }: GrantRecord): void {
    this.#settled.set(id, this.#world.timeline.now);
  }

  isDoubtful({ callback }: GrantRecord): boolean {
    return this.#at(callback).isDoubtful === true;
  }

  onDeniedUnasked(callback: string): void {
    this.#at(callback).deniedAt = this.#world.timeline.now;
  }

  /** What a process stored before it died may have been verified without an answer. */
  onUnsureStart({ grants }: SubscriptionRecord): void {
    for (const grant of grants) {
      const {
        id,
        callback,
        verifiedAt,
        grantedAt,
        state,
        provisional,
        deniedUnsolicited: deniedUnasked,
        deniedAt,
      } = grant;
      const known = this.#at(callback);
      if (verifiedAt === undefined) continue;
      const isGranted = state === 'active' && grantedAt !== undefined && provisional !== true;
      if (isGranted && grant.pending === undefined) this.#settled.set(id, grantedAt);
      if (deniedUnasked === true) known.deniedAt = deniedAt;
      verifySecret(known, verifiedAt - this.#world.skew);
      if (state === 'unsubscribed' || state === 'unsubscribing') known.isLeft = true;
    }
  }

  /** V6, C1: what a hub sends is accepted, signed as it signs, for as long as it has the subscription. */
  check(record: SubscriptionRecord, isWanted: boolean, isRefused: boolean): void {
    if (record.stoppedBecause !== undefined) this.#heldAt = this.#world.timeline.now;
    for (const grant of record.grants) {
      const known = this.#at(grant.callback);
      known.expiresAt = grant.expiresAt;
      if (!isOver(grant)) known.isOver = false;
      if (grant.state !== 'active') this.#settled.delete(grant.id);
    }
    for (const hub of this.#world.hubs) {
      for (const entry of hub.live) this.#isAccepted(entry, record, { isWanted, isRefused });
    }
  }

  #isAccepted(
    entry: HubEntry,
    record: SubscriptionRecord,
    { isWanted, isRefused }: { isWanted: boolean; isRefused: boolean },
  ): void {
    const { now, timeline, process } = this.#world;
    const { topic, callback, secret, secretAskedAt, isVerified } = entry;
    const match = process?.registry.match(callbackKey(callback));
    const known = this.#at(callback);
    if (record.stoppedBecause === 'deleted') {
      known.isOver ||= match === undefined || isOver(match.grant);
      return;
    }
    const isEnding = known.isLeft || !isWanted;
    if (match === undefined || isOver(match.grant)) {
      known.isOver ||= isEnding || this.#mayBeOver(known, match?.grant);
      this.#expect(
        known.isOver,
        `C1 ${topic} is delivered to ${match?.grant.id ?? 'a callback not known any more'}, which is over`,
      );
      return;
    }
    const { grant } = match;
    const status = contentStatus(match, secret, now);
    this.#expect(status === 202 || status === 403, `C1 ${topic} is delivered to ${grant.id} and answered ${status}`);
    const { verified } = known;
    // A hub that verifies while it is asked for another secret is taken to have verified that one.
    const isReplaced = verified !== undefined && verified.value !== secret;
    if (isReplaced && timeline.now - (verified.verifiedAt ?? 0) >= DAY) return;
    // Nor can a process that was down, or had given up, have had it told again before it lapsed.
    if (Math.max(this.#startedAt, this.#heldAt) - secretAskedAt > DAY / 2 || secretAskedAt <= this.#lastJump) return;
    const isGoingOn = !isEnding && !isRefused && record.stoppedBecause === undefined && grant.superseded !== true;
    // Of two that have run out at one hub, one is asked for again.
    const isOneOfTwo = record.grants.some(
      (other) => other !== grant && other.advertisedHub === grant.advertisedHub && !isOver(other),
    );
    const isAskedAgain = grant.state !== 'expired' || !isOneOfTwo;
    const isPromised = isVerified && known.wasSettled && isGoingOn && isAskedAgain;
    if (!isPromised && timeline.now - secretAskedAt >= DAY) return;
    this.#expect(status === 202, `V6 ${topic} is signed with a secret that is not accepted any more at ${grant.id}`);
  }

  /** A grant is over when another took its place, and at the end of its lease when somebody denied it unasked (N1). */
  #mayBeOver({ deniedAt, expiresAt = 0, verifiedAt }: Callback, grant: GrantRecord | undefined): boolean {
    if (deniedAt !== undefined && expiresAt <= this.#world.now) return true;
    if (grant?.superseded === true) return true;
    return [...this.#settled].some(([id, at]) => id !== grant?.id && at >= verifiedAt);
  }

  #at(callback: string): Callback {
    const key = callbackKey(callback);
    const known = this.#callbacks.get(key) ?? {
      isLeft: false,
      verifiedAt: -Infinity,
      wasSettled: false,
      isOver: false,
    };
    this.#callbacks.set(key, known);
    return known;
  }
}

/** The secret that was asked for last counts as verified, from its first verification on. */
function verifySecret(known: Callback, at: number): void {
  if (known.secret === undefined) return;
  known.secret.verifiedAt ??= at;
  known.verified = known.secret;
}
