import { plannedAt } from '../machine/rules/in-flight-guard.js';
import { withView, type LogView } from './log-view.js';
import type { FailureRecord, GrantRecord, SubscriptionRecord } from './record.js';
import {
  FAILURE_CAUSES,
  type FailureCause,
  type FailureTally,
  type Grant,
  type Subscription,
  type SubscriptionFailure,
  type SubscriptionStats,
} from './snapshot.js';
import { grantStateOf, isOver, isWorking, stateOf } from '../machine/state.js';

/** Hides the callback from `console.log`: anyone who knows the callback can send content. */
const WITHOUT_CALLBACK: LogView<{ readonly callback?: string }> = {
  value() {
    const { callback: _hidden, ...shown } = this;
    return shown;
  },
};

/** A grant as users see it. */
export function grantSnapshot(grant: GrantRecord): Grant {
  const snapshot = withoutUndefined({
    id: grant.id,
    advertisedHub: grant.advertisedHub,
    hub: grant.hub,
    topic: grant.topic,
    callback: grant.callback,
    state: grantStateOf(grant),
    leaseSeconds: grant.leaseSeconds,
    verifiedAt: dateOf(grant.verifiedAt),
    expiresAt: dateOf(grant.expiresAt),
    renewsAt: dateOf(renewsAt(grant)),
  });
  return withView(snapshot, WITHOUT_CALLBACK);
}

/** A subscription as users see it. */
export function subscriptionSnapshot(record: SubscriptionRecord, stats: SubscriptionStats): Subscription {
  const grants = record.grants.toSorted(workingFirst).map(grantSnapshot);
  const { hub, topic, callback, leaseSeconds, verifiedAt, expiresAt, renewsAt } = grants[0] ?? {};
  const snapshot = withoutUndefined({
    id: record.id,
    service: record.service,
    target: record.target,
    declared: record.declared,
    desired: record.desired,
    state: stateOf(record),
    grants,
    createdAt: new Date(record.createdAt),
    attempts: record.grants.find(isUnsubscribing)?.attempts ?? record.attempts,
    nextAttemptAt: dateOf(nextAttemptAt(record)),
    gaveUp: record.stoppedBecause === 'gave-up' || record.stoppedBecause === 'handler-refused' ? true : undefined,
    lastError: record.lastError === undefined ? undefined : failureSnapshot(record.lastError),
    failures: failuresSnapshot(record.failures),
    stats: { ...stats },
    metadata: record.metadata === undefined ? undefined : Object.freeze({ ...record.metadata }),
    hub,
    topic,
    callback,
    leaseSeconds,
    verifiedAt,
    expiresAt,
    renewsAt,
  });
  return withView(snapshot, WITHOUT_CALLBACK);
}

/** When a working grant is renewed. While a renewal is in flight, the planned time of that renewal. */
function renewsAt(grant: GrantRecord): number | undefined {
  if (!isWorking(grant)) return undefined;
  const { pending, renewsAt: plannedFor, notBefore = 0 } = grant;
  // The hub has verified but not answered the request yet. The answer makes the new lease count.
  if (pending?.verified === true && pending.renewsAt !== undefined) return pending.renewsAt;
  return nextRequestAt(grant) ?? (plannedFor === undefined ? undefined : Math.max(plannedFor, notBefore));
}

/** When the next request for a grant is planned, other than its renewal. Undefined while a request is in flight. */
function nextRequestAt(grant: GrantRecord): number | undefined {
  // Records of earlier versions do not say which times are guards.
  return grant.isConfirmationUnsent === true || grant.isRenewalStarted === true ? undefined : plannedAt(grant);
}

function isUnsubscribing({ state, superseded }: GrantRecord): boolean {
  return state === 'unsubscribing' && superseded !== true;
}

function failureSnapshot(failure: FailureRecord): SubscriptionFailure {
  return { ...failure, at: new Date(failure.at) };
}

function failuresSnapshot(failures: SubscriptionRecord['failures'] = {}): Subscription['failures'] {
  const shown: Partial<Record<FailureCause, FailureTally>> = {};
  for (const cause of FAILURE_CAUSES) {
    const tally = failures[cause];
    if (tally !== undefined) shown[cause] = { ...tally, lastAt: new Date(tally.lastAt) };
  }
  return shown;
}

function nextAttemptAt(record: SubscriptionRecord): number | undefined {
  if (record.stoppedBecause !== undefined && record.desired === 'subscribed') return undefined;
  const times = record.grants.flatMap((grant) =>
    isOver(grant) || grant.superseded === true ? [] : attemptTimes(grant),
  );
  const discoveryAt = plannedAt(record);
  if (discoveryAt !== undefined) times.push(discoveryAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

/**
 * The times of the next requests for a grant. A denied request fails at its deadline before its hub is requested again.
 */
function attemptTimes(grant: GrantRecord): readonly number[] {
  const { freshCallbackAt, pending, notBefore } = grant;
  const requestAt = pending?.denied === true ? notBefore : nextRequestAt(grant);
  return [requestAt, freshCallbackAt].filter((at) => at !== undefined);
}

/** Sorts grants: working, not working, superseded, ended. */
function workingFirst(a: GrantRecord, b: GrantRecord): number {
  return rank(a) - rank(b);
}

function rank(grant: GrantRecord): number {
  if (isOver(grant)) return 3;
  if (grant.superseded === true) return 2;
  return isWorking(grant) ? 0 : 1;
}

function dateOf(time: number | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}

type Defined<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>;
};

/** A copy without undefined fields. */
function withoutUndefined<T extends object>(fields: T): Defined<T> {
  // A loop, because every event creates a snapshot, and `Object.fromEntries` takes three times as long.
  const defined: object & Partial<Record<keyof T, unknown>> = {};
  for (const name in fields) if (fields[name] !== undefined) defined[name] = fields[name];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only fields that the type makes optional are omitted
  return defined as Defined<T>;
}
