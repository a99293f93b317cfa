import { callbackKey } from '../../../src/subscription/registry/callback-key.js';
import type { GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import { isOver } from '../../../src/subscription/machine/state.js';
import type { HubSubscription, HubRequest } from './hub-model.js';
import { DAY } from '../machine/subscription-machine.js';
import type { Expect, Watched } from './model-setup.js';
import { contentStatus } from './subscriber-process.js';

interface RequestedSecret {
  readonly value: string | null;
  /** When it was first verified, in the time of hubs. */
  verifiedAt: number | undefined;
}

/** The state of a callback, tracked apart from the record. */
interface CallbackState {
  secret?: RequestedSecret;
  /** The last secret that was verified. */
  verified?: RequestedSecret;
  /** Whether the subscriber has sent an unsubscribe request for it. */
  isLeft: boolean;
  /** When an unsolicited denial came for it, in the time of hubs. */
  deniedAt?: number | undefined;
  /** When its lease ends, in the time of the subscriber. */
  expiresAt?: number | undefined;
  verifiedAt: number;
  /** Whether its hub once accepted a request and verified it. */
  wasSettled: boolean;
  /** Whether it is over, and is allowed to be over. */
  isOver: boolean;
  /** Whether its last request was denied after a verification. The denial or the verification may be forged. */
  isDoubtful?: boolean;
}

/** Tracks what hubs know of each callback, and records content that would be rejected. */
export class ContentWatch {
  readonly #world: Watched;
  readonly #expect: Expect;
  readonly #callbacks = new Map<string, CallbackState>();
  /** When a request of each grant was last accepted and verified, in the time of hubs. */
  readonly #settled = new Map<string, number>();
  #startedAt = -Infinity;
  /** When requests last stopped because the subscription gave up. */
  #stoppedAt = -Infinity;
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
    const callbackState = this.#stateOf(callback);
    if (mode === 'unsubscribe') callbackState.isLeft = true;
    else if (callbackState.secret?.value !== secret) callbackState.secret = { value: secret, verifiedAt: undefined };
  }

  /** Whether the callback was unsubscribed, or will be. */
  isLeft(callback: string): boolean {
    return this.#stateOf(callback).isLeft;
  }

  isVerified(callback: string): boolean {
    return this.#stateOf(callback).verifiedAt > -Infinity;
  }

  isSettled({ id }: GrantRecord): boolean {
    return this.#settled.has(id);
  }

  onVerified(callback: string, isRequested: boolean): void {
    const callbackState = this.#stateOf(callback);
    const { now } = this.#world.timeline;
    callbackState.verifiedAt = now;
    // An unsolicited verification during a request with another secret may count as the answer to that request.
    verifySecret(callbackState, now);
    if (isRequested) Object.assign(callbackState, { isLeft: false, isOver: false, deniedAt: undefined });
  }

  onSettled({ id, callback, pending }: GrantRecord): void {
    this.#settled.set(id, this.#world.timeline.now);
    Object.assign(this.#stateOf(callback), { wasSettled: true, isDoubtful: pending?.denied === true });
  }

  /** An unsubscribe was refused, so the grant stays. */
  onKept({ id }: GrantRecord): void {
    this.#settled.set(id, this.#world.timeline.now);
  }

  isDoubtful({ callback }: GrantRecord): boolean {
    return this.#stateOf(callback).isDoubtful === true;
  }

  onUnsolicitedDenial(callback: string): void {
    this.#stateOf(callback).deniedAt = this.#world.timeline.now;
  }

  /** A verification stored before a process died may not have been answered. */
  onUnsureStart({ grants }: SubscriptionRecord): void {
    for (const grant of grants) {
      const { id, callback, verifiedAt, grantedAt, state, provisional, deniedUnsolicited, deniedAt } = grant;
      const callbackState = this.#stateOf(callback);
      if (verifiedAt === undefined) continue;
      const isGranted = state === 'active' && grantedAt !== undefined && provisional !== true;
      if (isGranted && grant.pending === undefined) this.#settled.set(id, grantedAt);
      if (deniedUnsolicited === true) callbackState.deniedAt = deniedAt;
      verifySecret(callbackState, verifiedAt - this.#world.skew);
      if (state === 'unsubscribed' || state === 'unsubscribing') callbackState.isLeft = true;
    }
  }

  /** V6, C1: content is accepted with the signature of its hub while the hub has the subscription. */
  check(record: SubscriptionRecord, isWanted: boolean, isRefused: boolean): void {
    if (record.stoppedBecause !== undefined) this.#stoppedAt = this.#world.timeline.now;
    for (const grant of record.grants) {
      const callbackState = this.#stateOf(grant.callback);
      callbackState.expiresAt = grant.expiresAt;
      if (!isOver(grant)) callbackState.isOver = false;
      if (grant.state !== 'active') this.#settled.delete(grant.id);
    }
    for (const hub of this.#world.hubs) {
      for (const entry of hub.live) this.#checkAccepted(entry, record, { isWanted, isRefused });
    }
  }

  #checkAccepted(
    entry: HubSubscription,
    record: SubscriptionRecord,
    { isWanted, isRefused }: { isWanted: boolean; isRefused: boolean },
  ): void {
    const { now, timeline, process } = this.#world;
    const { topic, callback, secret, secretRequestedAt, isVerified } = entry;
    const match = process?.registry.match(callbackKey(callback));
    const callbackState = this.#stateOf(callback);
    if (record.stoppedBecause === 'deleted') {
      callbackState.isOver ||= match === undefined || isOver(match.grant);
      return;
    }
    const isEnding = callbackState.isLeft || !isWanted;
    if (match === undefined || isOver(match.grant)) {
      callbackState.isOver ||= isEnding || this.#mayBeOver(callbackState, match?.grant);
      this.#expect(
        callbackState.isOver,
        `C1 ${topic} is delivered to ${match?.grant.id ?? 'a callback not known any more'}, which is over`,
      );
      return;
    }
    const { grant } = match;
    const status = contentStatus(match, secret, now);
    this.#expect(status === 202 || status === 403, `C1 ${topic} is delivered to ${grant.id} and answered ${status}`);
    const { verified } = callbackState;
    // A hub that verifies while another secret is requested counts as having verified that secret.
    const isReplaced = verified !== undefined && verified.value !== secret;
    if (isReplaced && timeline.now - (verified.verifiedAt ?? 0) >= DAY) return;
    // A process that was down, or had given up, cannot renew the secret before it lapses.
    if (Math.max(this.#startedAt, this.#stoppedAt) - secretRequestedAt > DAY / 2 || secretRequestedAt <= this.#lastJump)
      return;
    const isContinuing = !isEnding && !isRefused && record.stoppedBecause === undefined && grant.superseded !== true;
    // Of two expired grants at one hub, only one is requested again.
    const isOneOfTwo = record.grants.some(
      (other) => other !== grant && other.advertisedHub === grant.advertisedHub && !isOver(other),
    );
    const isRequestedAgain = grant.state !== 'expired' || !isOneOfTwo;
    const isGuaranteed = isVerified && callbackState.wasSettled && isContinuing && isRequestedAgain;
    if (!isGuaranteed && timeline.now - secretRequestedAt >= DAY) return;
    this.#expect(status === 202, `V6 ${topic} is signed with a secret that is not accepted any more at ${grant.id}`);
  }

  /** A grant is over when another one replaced it, and at the end of its lease after an unsolicited denial (N1). */
  #mayBeOver({ deniedAt, expiresAt = 0, verifiedAt }: CallbackState, grant: GrantRecord | undefined): boolean {
    if (deniedAt !== undefined && expiresAt <= this.#world.now) return true;
    if (grant?.superseded === true) return true;
    return [...this.#settled].some(([id, at]) => id !== grant?.id && at >= verifiedAt);
  }

  #stateOf(callback: string): CallbackState {
    const key = callbackKey(callback);
    const callbackState = this.#callbacks.get(key) ?? {
      isLeft: false,
      verifiedAt: -Infinity,
      wasSettled: false,
      isOver: false,
    };
    this.#callbacks.set(key, callbackState);
    return callbackState;
  }
}

/** The secret requested last counts as verified, from its first verification on. */
function verifySecret(callbackState: CallbackState, at: number): void {
  if (callbackState.secret === undefined) return;
  callbackState.secret.verifiedAt ??= at;
  callbackState.verified = callbackState.secret;
}
