import type { HookPayload, SubscriberHooks } from '../../delivery/hook-payloads.js';
import { WebSubError } from '../../errors.js';
import { nextAskAt } from '../../subscription/machine/steps/on-due.js';
import type { Registry } from '../../subscription/registry/registry.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import { stateOf } from '../../subscription/machine/state.js';
import { LONGEST_TIMER_MS } from '../../hub/http/deadline.js';
import type { Latch } from './latch.js';
import { Outstanding } from './awaited-subscriptions.js';
import type { Reach } from './reachability-hint.js';
import { targetName } from '../../subscription/record/target.js';

/** So many are named in an error. */
const MOST_NAMED = 20;

/** What readiness works with. */
export interface ReadinessOptions {
  readonly registry: Registry;
  readonly hooks: SubscriberHooks;
  /** Whether the code has the service: others are left alone. */
  readonly serves: (service: string) => boolean;
  /** Open when the declared subscriptions are there. */
  readonly reconciled: Latch;
  /** Open when hubs may be asked. */
  readonly begun: Latch;
  /** Whether a hub, or the publisher, is being asked on behalf of a subscription. */
  readonly isUnderWay: (record: SubscriptionRecord) => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Rejects what waits when the runtime stops. */
  readonly stopping: AbortSignal;
  readonly reach: Reach;
}

/** Resolves when every wanted subscription has a grant; rejects naming those without, after a time or when it is in vain. */
export async function whenReady(options: ReadinessOptions, timeoutMs: number): Promise<void> {
  const { registry, hooks, reconciled, stopping } = options;
  const endAt = options.now() + timeoutMs;
  const isInVain = (record: SubscriptionRecord): boolean => !isHopeful(record, endAt, options);
  const missing = new Outstanding(registry, (record) => isMissing(record, options));
  await new Promise<void>((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stopping.removeEventListener('abort', onStop);
      for (const off of offs) off();
      settle();
    };
    const fail = (problem: string): void => end(() => reject(notReady(options, problem)));
    const check = (): void => {
      if (stopping.aborted) return onStop();
      if (!reconciled.isOpen) return;
      const inVain = missing.lookAtAll().filter(isInVain);
      if (missing.isEmpty) end(resolve);
      else if (inVain.length > 0) fail(`: ${counted(inVain.length)} will not be asked for again ${untilWhen(inVain)}`);
    };
    const checkOne = (id: string): void => {
      if (!reconciled.isOpen) return;
      const record = missing.lookAt(id);
      if ((record !== undefined && isInVain(record)) || missing.isEmpty) check();
    };
    const timer = setTimeout(() => fail(` after ${timeoutMs} ms`), Math.min(Math.max(timeoutMs, 0), LONGEST_TIMER_MS));
    const onStop = (): void =>
      end(() =>
        reject(new WebSubError(['Not ready, and the runtime stops', ...named(missingNow(options))].join('; '))),
      );
    // When a hook is called, not all that the event led to may have happened.
    const soon = ({ subscription }: HookPayload): void => void setImmediate(checkOne, subscription.id);
    const offs = (['verified', 'failed', 'denied', 'unsubscribed'] as const).map((name) => hooks.on(name, soon));
    stopping.addEventListener('abort', onStop);
    void reconciled.opened.then(check);
    check();
  });
}

function isMissing(record: SubscriptionRecord, { registry, serves }: ReadinessOptions): boolean {
  return record.desired === 'subscribed' && serves(record.service) && !registry.isReady(record);
}

/** Whether a hub is, or will be, asked for it before a time, so that it may be granted by then. */
function isHopeful(record: SubscriptionRecord, endAt: number, { isUnderWay }: ReadinessOptions): boolean {
  if (record.hold !== undefined) return false;
  return isUnderWay(record) || (nextAskAt(record) ?? Infinity) <= endAt;
}

function untilWhen(inVain: readonly SubscriptionRecord[]): string {
  const times = inVain.flatMap((record) => (record.hold === undefined ? (nextAskAt(record) ?? []) : []));
  return times.length === 0 ? 'before retry()' : `before ${new Date(Math.min(...times)).toISOString()}, or retry()`;
}

function notReady(options: ReadinessOptions, problem: string): WebSubError {
  const { reach, begun } = options;
  if (!begun.isOpen) {
    return new WebSubError(`Nothing has been asked for yet: that begins when ${reach.begins}.`);
  }
  const missing = missingNow(options);
  const how = missing.some(awaitsVerification)
    ? ` Hubs must reach ${reach.base}/… (publicUrl with basePath), which ${reach.mount}.`
    : '';
  return new WebSubError(
    `${[`Not ready${problem}`, ...named(missing)].join('; ')}.${how} ` +
      'Nothing was changed and the runtime goes on: await ready() again, or call stop().',
  );
}

function counted(count: number): string {
  return count === 1 ? '1 subscription' : `${count} subscriptions`;
}

/** Whether a hub has yet to reach its callback, or could not. */
function awaitsVerification({ grants, lastError }: SubscriptionRecord): boolean {
  return grants.some(({ pending }) => pending !== undefined) || lastError?.cause === 'verification-missing';
}

function missingNow(options: ReadinessOptions): readonly SubscriptionRecord[] {
  return new Outstanding(options.registry, (record) => isMissing(record, options)).lookAtAll();
}

/** The subscriptions without a grant, each with the reason. */
function named(missing: readonly SubscriptionRecord[]): readonly string[] {
  const lines = missing.slice(0, MOST_NAMED).map((record) => {
    const why = record.lastError?.message ?? 'the hub has not verified it yet';
    const left = record.orphaned === true ? ' (no longer declared: pruneDeclared or unsubscribe(id) ends it)' : '';
    return `${targetName(record.target)} for ${record.service}${left} is ${stateOf(record)}: ${why}`;
  });
  const further = missing.length - lines.length;
  return [...lines, ...(further > 0 ? [`and ${further} more`] : [])];
}
