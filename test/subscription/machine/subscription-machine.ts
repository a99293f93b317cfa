import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import type {
  Effect,
  InputOf,
  GrantIdentity,
  NamedEffect,
  SubscriptionRules,
  TransitionContext,
} from '../../../src/subscription/machine/transition-types.js';
import {
  newSubscription,
  type FailureRecord,
  type GrantRecord,
  type SubscriptionRecord,
} from '../../../src/subscription/record/record.js';
import { transition } from '../../../src/subscription/machine/transition.js';
import { withCurrentIds, type BareInput } from './current-ids.js';

export const START = Date.UTC(2026, 0, 1);
export const DAY = 86_400_000;
export const TOPIC = 'https://publisher.example/feed';
export const HUB = 'https://hub.example/';
export const SECOND_HUB = 'https://second-hub.example/';

export const RULES: SubscriptionRules = {
  verifyTimeoutSeconds: 60,
  hubs: 'failover',
  maxAttempts: Infinity,
  leaseSeconds: undefined,
  afterDenial: 'retry',
  rotateSecret: 'never',
  rotateCallback: 'never',
  defaultLeaseSeconds: 86_400,
  maxRenewalSeconds: 864_000,
  maxLeaseSeconds: 31_536_000,
};

export const failure = (cause: FailureRecord['cause'], at = START): FailureRecord => ({
  cause,
  code: 'ERR_WEBSUB',
  message: `because of ${cause}`,
  at,
});

/** The state machine of one subscription, with a clock. Applies inputs and stores the effects of the last input. */
export class SubscriptionMachine {
  record: SubscriptionRecord;
  now = START;
  random = 0.5;
  rules = RULES;
  callbackOf = (path: string): string => `https://me.example/websub/${path}`;
  hasOneCallback = false;
  /** The effects of the last input, without the ids of requests and discoveries. */
  effects: readonly Effect[] = [];
  /** The effects of the last input. */
  namedEffects: readonly NamedEffect[] = [];
  /** Whether the last input planned a catch-up for now. */
  isCatchUpStarted = false;
  /** The run of the process. */
  member = 'this run';
  #ids = 0;
  #requestIds = 0;

  constructor(change: Partial<SubscriptionRecord> = {}) {
    const initial = { id: 's', service: 'News', target: TOPIC, declared: true, createdAt: START, overrides: undefined };
    this.record = { ...newSubscription(initial), ...change };
  }

  get context(): TransitionContext {
    const newGrantIdentity = (): GrantIdentity => {
      this.#ids += 1;
      const path = hasOneCallback ? 'news' : `path-${this.#ids}`.padEnd(43, '_');
      return { id: `g${this.#ids}`, path, verifyToken: undefined };
    };
    const newRequestId = (): string => {
      this.#requestIds += 1;
      return `r${this.#requestIds}`;
    };
    const { now, random, rules, callbackOf, hasOneCallback, member } = this;
    const isMemberGone = (other: string | undefined): boolean => other !== member;
    return { now, random, rules, newRequestId, member, isMemberGone, newGrantIdentity, callbackOf, hasOneCallback };
  }

  /** Applies an input. Ids that are missing are the current ones. */
  apply(input: BareInput): this {
    if (input.type.startsWith('discover') && !('discoveryId' in input) && this.record.currentDiscovery === undefined)
      throw new Error('no discovery is in progress');
    const { record, effects } = transition(this.record, withCurrentIds(input, this.record, this.now), this.context);
    const { catchUp } = record;
    this.isCatchUpStarted = catchUp?.id !== this.record.catchUp?.id && catchUp?.at === this.now;
    this.record = record;
    this.namedEffects = effects;
    this.effects = effects.map(withoutIds);
    return this;
  }

  /** The next run of the process begins. */
  restarted(): this {
    this.member = `the run after ${this.member}`;
    return this.apply({ type: 'wanted' });
  }

  /** The grant under test: the only one, or the last one that is not over. */
  get grant(): GrantRecord {
    const { grants } = this.record;
    const grant = grants.findLast(({ endedAt }) => endedAt === undefined) ?? grants.at(-1);
    if (grant === undefined) throw new Error('there is no grant');
    return grant;
  }

  grantAt(hub: string): GrantRecord {
    const grant = this.record.grants.findLast(({ advertisedHub }) => advertisedHub === hub);
    if (grant === undefined) throw new Error(`there is no grant at ${hub}`);
    return grant;
  }

  after(milliseconds: number): this {
    this.now += milliseconds;
    return this;
  }

  due(milliseconds = 0): this {
    return this.after(milliseconds).apply({ type: 'due' });
  }

  discovered(...hubs: readonly string[]): this {
    return this.discoveredAs(TOPIC, ...hubs);
  }

  discoveredAs(topic: string, ...hubs: readonly string[]): this {
    return this.apply({ type: 'discovered', topic, hubs: hubs.length === 0 ? [HUB] : hubs });
  }

  /** A discovery starts for another reason than a request, and finds hubs. */
  discoveredAgain(...hubs: readonly string[]): this {
    return this.apply({ type: 'links-differ' }).discovered(...hubs);
  }

  /** Sends the request for one of several grants. */
  requestedAt(hub: string, change: Partial<InputOf<'requested'>> = {}): this {
    const { id, state } = this.grantAt(hub);
    const mode = state === 'unsubscribing' ? 'unsubscribe' : 'subscribe';
    return this.apply({ type: 'requested', grantId: id, mode, secret: null, ...change });
  }

  requested(change: Partial<InputOf<'requested'>> = {}): this {
    const { id, state } = this.grant;
    const mode = state === 'unsubscribing' ? 'unsubscribe' : 'subscribe';
    const secret = mode === 'subscribe' ? { secret: 'a secret' } : {};
    return this.apply({ type: 'requested', grantId: id, mode, ...secret, ...change });
  }

  accepted(change: Partial<InputOf<'accepted'>> = {}): this {
    const { id, hub } = this.grant;
    return this.apply({ type: 'accepted', grantId: id, hub, moved: false, ...change });
  }

  verified(leaseSeconds: string | undefined = '864000', grantId = this.grant.id): this {
    const { pending } = this.record.grants.find(({ id }) => id === grantId) ?? {};
    // Most hubs verify after they have answered the request.
    if (pending?.mode === 'subscribe' && !pending.accepted) {
      const { hub = '' } = this.record.grants.find(({ id }) => id === grantId) ?? {};
      this.apply({ type: 'accepted', grantId, hub, moved: false });
    }
    return this.verifiedInPost(leaseSeconds, grantId);
  }

  /** Verifies whether or not the request was answered. */
  verifiedInPost(leaseSeconds: string | undefined = '864000', grantId = this.grant.id): this {
    this.apply({ type: 'verified', grantId, mode: 'subscribe', leaseSeconds });
    const { effects, isCatchUpStarted } = this;
    this.apply({ type: 'answered', grantId });
    this.effects = effects;
    this.isCatchUpStarted = isCatchUpStarted;
    return this;
  }

  unreachable(retryAfterSeconds?: number): this {
    const { id } = this.grant;
    const error = failure('unreachable', this.now);
    return this.apply({ type: 'unreachable', grantId: id, failure: error, retryAfterSeconds });
  }

  refused(retryAfterSeconds?: number): this {
    const { id } = this.grant;
    const error = failure('refused', this.now);
    return this.apply({ type: 'refused', grantId: id, failure: error, retryAfterSeconds });
  }

  denied(grantId = this.grant.id): this {
    return this.apply({ type: 'denied', grantId, failure: failure('denied', this.now) });
  }

  /** The hub reports an error. */
  hubError(grantId = this.grant.id): this {
    return this.apply({ type: 'hub-error', grantId, failure: failure('hub-error', this.now) });
  }

  /** Signed content arrives after the answer to a denial was sent. */
  delivers(grantId = this.grant.id): this {
    return this.apply({ type: 'denial-answered', grantId }).apply({ type: 'hub-delivered', grantId, isSigned: true });
  }

  unwanted(why: InputOf<'unwanted'>['why']): this {
    return this.apply({ type: 'unwanted', why });
  }

  /** The effects of the last input, and the catch-up that it planned for now, in words. */
  get actions(): readonly string[] {
    return [...this.effects.map(inWords), ...(this.isCatchUpStarted ? ['catch up'] : [])];
  }
}

function withoutIds(effect: NamedEffect): Effect {
  if (effect.type === 'discover') return { type: 'discover' };
  if (effect.type !== 'request') return effect;
  const { requestId: _id, ...request } = effect;
  return request;
}

function inWords(effect: Effect): string {
  switch (effect.type) {
    case 'discover':
      return 'discover';
    case 'request':
      return effect.mode;
    case 'hook':
      return `hook ${effect.name}`;
    case 'log':
      return `log ${effect.event}`;
    default:
      return effect.type;
  }
}

/** Milliseconds until the next planned work. */
export const dueIn = (machine: SubscriptionMachine): number => (dueAt(machine.record) ?? Infinity) - machine.now;

/** A machine whose request is stored as pending. */
export const verifying = (...hubs: readonly string[]): SubscriptionMachine =>
  new SubscriptionMachine()
    .apply({ type: 'wanted' })
    .discovered(...hubs)
    .requested();

/** A machine whose hub has verified a lease, of ten days by default. */
export const active = (leaseSeconds = '864000'): SubscriptionMachine => verifying().accepted().verified(leaseSeconds);
