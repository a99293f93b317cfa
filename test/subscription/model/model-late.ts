import type {
  NamedEffect,
  TransitionContext,
  TransitionInput,
} from '../../../src/subscription/machine/transition-types.js';
import { transition } from '../../../src/subscription/machine/transition.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from '../../../src/subscription/record/record.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { HUB } from '../machine/subscription-machine.js';
import type { Expect, Watched } from './model-setup.js';

type RequestEffect = Extract<NamedEffect, { type: 'request' }>;

/** So many of the last effects are carried out again and again. */
const REMEMBERED = 6;

/**
 * Carries out the effects of the past once more, at every moment: late, twice, and after their reason has gone. That
 * must change nothing and emit nothing.
 */
export class LateWatch {
  readonly #world: Watched;
  readonly #expect: Expect;
  #requests: RequestEffect[] = [];
  #discoveries: string[] = [];
  #gapIds: string[] = [];
  #lastChecked: SubscriptionRecord | undefined;

  constructor(world: Watched, expect: Expect) {
    this.#world = world;
    this.#expect = expect;
  }

  onEffect(effect: NamedEffect): void {
    if (effect.type === 'request') this.#requests = [effect, ...this.#requests].slice(0, REMEMBERED);
    if (effect.type === 'discover') this.#discoveries = [effect.discoveryId, ...this.#discoveries].slice(0, REMEMBERED);
  }

  check(record: SubscriptionRecord): void {
    if (record === this.#lastChecked) return;
    this.#lastChecked = record;
    this.#checkFetches(record);
    const failure: FailureRecord = { cause: 'refused', code: 'ERR_WEBSUB', message: 'late', at: this.#world.now };
    for (const discoveryId of this.#discoveries) {
      if (discoveryId === record.currentDiscovery) continue;
      this.#ignores(record, { type: 'discovered', discoveryId, topic: 'https://late.example/', hubs: [HUB] });
      this.#ignores(record, { type: 'discovery-failed', discoveryId, failure });
      this.#ignores(record, { type: 'discovery-deferred', discoveryId, until: this.#world.now + 1_000 });
    }
    for (const effect of this.#requests) this.#checkRequest(record, effect, failure);
  }

  /** The results of catch-ups that are not planned any more, and of polls that are not due. */
  #checkFetches(record: SubscriptionRecord): void {
    const { now } = this.#world;
    const current = record.catchUp?.id;
    for (const gapId of this.#gapIds) {
      if (gapId === current) continue;
      this.#ignores(record, { type: 'caught-up', gapId, beganAt: now, fetched: { topic: 'https://late.example/' } });
      this.#ignores(record, { type: 'catch-up-failed', gapId, notBefore: now });
      for (const type of FURTHER_RESULTS) this.#ignores(record, { type, gapId });
    }
    if (current !== undefined && this.#gapIds[0] !== current) {
      this.#gapIds = [current, ...this.#gapIds].slice(0, REMEMBERED);
    }
    const silent = { grantId: record.grants[0]?.id ?? '', missed: 1 };
    const fetched = { topic: 'https://late.example/' };
    this.#ignores(record, { type: 'polled', dueAt: now - 1, fetched, missing: [], silent });
    this.#ignores(record, { type: 'poll-failed', dueAt: now - 1, notBefore: now });
    this.#ignores(record, { type: 'poll-skipped', dueAt: now - 1 });
  }

  #checkRequest(record: SubscriptionRecord, { grantId, requestId }: RequestEffect, failure: FailureRecord): void {
    const grant = record.grants.find(({ id }) => id === grantId);
    const ids = { grantId, requestId };
    const modes = ['subscribe', 'unsubscribe'] as const;
    if (grant?.currentRequest === requestId) return;
    for (const mode of modes) this.#ignores(record, { type: 'requested', ...ids, mode, secret: 'late' });
    if (!isExpected(grant, requestId)) {
      for (const mode of modes) {
        this.#ignores(record, { type: 'verified', ...ids, mode, leaseSeconds: '10' });
        this.#ignores(record, { type: 'handler-refused', ...ids, mode, failure });
      }
    }
    if (grant?.verifiedRequest !== requestId) this.#ignores(record, { type: 'answered', ...ids });
    if (grant?.pending?.id === requestId) return;
    this.#ignores(record, { type: 'accepted', ...ids, hub: 'https://late.example/', moved: true });
    this.#ignores(record, { type: 'refused', ...ids, failure, status: 404 });
    this.#ignores(record, { type: 'unreachable', ...ids, failure });
    this.#ignores(record, { type: 'request-deferred', ...ids, until: this.#world.now + 1_000 });
    this.#ignores(record, { type: 'request-lost', ...ids });
    this.#ignores(record, { type: 'verification-wrong', ...ids, problem: 'late' });
  }

  #ignores(record: SubscriptionRecord, input: TransitionInput): void {
    const { record: after, effects } = transition(record, input, contextOf(this.#world.policy, this.#world.now));
    this.#expect(after === record && effects.length === 0, `a late "${input.type}" changes the subscription`);
  }
}

const FURTHER_RESULTS = ['catch-up-skipped', 'catch-up-dropped', 'room-found', 'room-missing'] as const;

/** Whether a verification may still answer the request. */
function isExpected(grant: GrantRecord | undefined, requestId: string): boolean {
  const { pending, lateRequest } = grant ?? {};
  return lateRequest === requestId || (pending?.id === requestId && pending.verified !== true);
}

function contextOf({ rules, callbackOf }: RequestPolicy, now: number): TransitionContext {
  const none = (): never => {
    throw new Error('a late input draws no id');
  };
  return {
    now,
    random: 0.5,
    rules,
    callbackOf,
    newRequestId: none,
    newGrantIdentity: none,
    member: 'a late member',
    isMemberGone: () => false,
  };
}
