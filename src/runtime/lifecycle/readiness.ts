import type { HookPayload, SubscriberHooks } from '../../delivery/hook-payloads.js';
import { WebSubError } from '../../errors.js';
import { nextHubContactAt } from '../../subscription/machine/steps/on-due.js';
import type { Registry } from '../../subscription/registry/registry.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import { stateOf } from '../../subscription/machine/state.js';
import { MAX_TIMER_MS } from '../../hub/http/deadline.js';
import type { Latch } from './latch.js';
import { AwaitedSubscriptions } from './awaited-subscriptions.js';
import type { ReachabilityHint } from './reachability-hint.js';
import { targetName } from '../../subscription/record/target.js';

/** So many are named in an error. */
const MAX_NAMED = 20;

/** What readiness works with. */
export interface ReadinessOptions {
  readonly registry: Registry;
  readonly hooks: SubscriberHooks;
  /** Whether the code has the service: others are left alone. */
  readonly serves: (service: string) => boolean;
  /** Open when the declared subscriptions are there. */
  readonly reconciled: Latch;
  /** Open when hubs may be asked. */
  readonly requestsAllowed: Latch;
  /** Whether a hub, or the publisher, is being asked on behalf of a subscription. */
  readonly isInFlight: (record: SubscriptionRecord) => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Rejects what waits when the runtime stops. */
  readonly stopSignal: AbortSignal;
  readonly reachability: ReachabilityHint;
}

/** Resolves when every wanted subscription has a grant; rejects naming those without, after a time or when it is in vain. */
export async function whenReady(options: ReadinessOptions, timeoutMs: number): Promise<void> {
  const { registry, hooks, reconciled, stopSignal } = options;
  const endAt = options.now() + timeoutMs;
  const isHopeless = (record: SubscriptionRecord): boolean => !canBecomeReady(record, endAt, options);
  const missing = new AwaitedSubscriptions(registry, (record) => isMissing(record, options));
  await new Promise<void>((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stopSignal.removeEventListener('abort', onStop);
      for (const off of removeListeners) off();
      settle();
    };
    const fail = (problem: string): void => end(() => reject(notReadyError(options, problem)));
    const check = (): void => {
      if (stopSignal.aborted) return onStop();
      if (!reconciled.isOpen) return;
      const hopeless = missing.recheckAll().filter(isHopeless);
      if (missing.isEmpty) end(resolve);
      else if (hopeless.length > 0)
        fail(`: ${countText(hopeless.length)} will not be asked for again ${nextRequestText(hopeless)}`);
    };
    const checkOne = (id: string): void => {
      if (!reconciled.isOpen) return;
      const record = missing.recheck(id);
      if ((record !== undefined && isHopeless(record)) || missing.isEmpty) check();
    };
    const timer = setTimeout(() => fail(` after ${timeoutMs} ms`), Math.min(Math.max(timeoutMs, 0), MAX_TIMER_MS));
    const onStop = (): void =>
      end(() =>
        reject(
          new WebSubError(['Not ready, and the runtime stops', ...describeMissing(missingNow(options))].join('; ')),
        ),
      );
    // When a hook is called, not all that the event led to may have happened.
    const checkSoon = ({ subscription }: HookPayload): void => void setImmediate(checkOne, subscription.id);
    const removeListeners = (['verified', 'failed', 'denied', 'unsubscribed'] as const).map((name) =>
      hooks.on(name, checkSoon),
    );
    stopSignal.addEventListener('abort', onStop);
    void reconciled.opened.then(check);
    check();
  });
}

function isMissing(record: SubscriptionRecord, { registry, serves }: ReadinessOptions): boolean {
  return record.desired === 'subscribed' && serves(record.service) && !registry.isReady(record);
}

/** Whether a hub is, or will be, asked for it before a time, so that it may be granted by then. */
function canBecomeReady(record: SubscriptionRecord, endAt: number, { isInFlight }: ReadinessOptions): boolean {
  if (record.stoppedBecause !== undefined) return false;
  return isInFlight(record) || (nextHubContactAt(record) ?? Infinity) <= endAt;
}

function nextRequestText(hopeless: readonly SubscriptionRecord[]): string {
  const times = hopeless.flatMap((record) => (record.stoppedBecause === undefined ? (nextHubContactAt(record) ?? []) : []));
  return times.length === 0 ? 'before retry()' : `before ${new Date(Math.min(...times)).toISOString()}, or retry()`;
}

function notReadyError(options: ReadinessOptions, problem: string): WebSubError {
  const { reachability, requestsAllowed } = options;
  if (!requestsAllowed.isOpen) {
    return new WebSubError(`Nothing has been asked for yet: that begins when ${reachability.startCondition}.`);
  }
  const missing = missingNow(options);
  const how = missing.some(isAwaitingVerification)
    ? ` Hubs must reach ${reachability.baseUrl}/… (publicUrl with basePath), which ${reachability.routing}.`
    : '';
  return new WebSubError(
    `${[`Not ready${problem}`, ...describeMissing(missing)].join('; ')}.${how} ` +
      'Nothing was changed and the runtime goes on: await ready() again, or call stop().',
  );
}

function countText(count: number): string {
  return count === 1 ? '1 subscription' : `${count} subscriptions`;
}

/** Whether a hub has yet to reach its callback, or could not. */
function isAwaitingVerification({ grants, lastError }: SubscriptionRecord): boolean {
  return grants.some(({ pending }) => pending !== undefined) || lastError?.cause === 'verification-missing';
}

function missingNow(options: ReadinessOptions): readonly SubscriptionRecord[] {
  return new AwaitedSubscriptions(options.registry, (record) => isMissing(record, options)).recheckAll();
}

/** The subscriptions without a grant, each with the reason. */
function describeMissing(missing: readonly SubscriptionRecord[]): readonly string[] {
  const lines = missing.slice(0, MAX_NAMED).map((record) => {
    const why = record.lastError?.message ?? 'the hub has not verified it yet';
    const orphanNote =
      record.orphaned === true ? ' (no longer declared: pruneDeclared or unsubscribe(id) ends it)' : '';
    return `${targetName(record.target)} for ${record.service}${orphanNote} is ${stateOf(record)}: ${why}`;
  });
  const more = missing.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])];
}
