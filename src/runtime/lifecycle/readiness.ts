import type { HookPayload } from '../../delivery/hook-payloads.js';
import { WebSubError } from '../../errors.js';
import { nextHubContactAt } from '../../subscription/machine/steps/on-due.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import { stateOf } from '../../subscription/machine/state.js';
import { MAX_TIMER_MS } from '../../hub/http/deadline.js';
import type { BackgroundTasks } from '../background/background-tasks.js';
import type { Core } from '../core.js';
import { AwaitedSubscriptions } from './awaited-subscriptions.js';
import type { ReachabilityHint } from './reachability-hint.js';
import { targetName } from '../../subscription/record/target.js';

/** Maximum number of subscriptions that an error names. */
const MAX_NAMED = 20;

/** The parts of a runtime that say whether it is ready. */
export interface ReadinessParts {
  readonly core: Pick<Core, 'context' | 'registry' | 'backgroundTasks' | 'reconciled' | 'requestsAllowed'>;
  /** Aborts when the runtime stops. */
  readonly stopSignal: AbortSignal;
  readonly reachability: ReachabilityHint;
}

/**
 * Resolves once every wanted subscription has a grant.
 *
 * @throws WebSubError that names subscriptions without a grant: at the timeout, when one of them cannot get a grant
 *   before the timeout, or when the runtime stops
 */
export async function whenReady(parts: ReadinessParts, timeoutMs: number): Promise<void> {
  const { core, stopSignal } = parts;
  const { registry, reconciled } = core;
  const { hooks, now } = core.context;
  const endAt = now() + timeoutMs;
  const isHopeless = (record: SubscriptionRecord): boolean => !canBecomeReady(record, endAt, parts);
  const missing = new AwaitedSubscriptions(registry, (record) => isMissing(record, parts));
  await new Promise<void>((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stopSignal.removeEventListener('abort', onStop);
      for (const removeListener of removeListeners) removeListener();
      settle();
    };
    const fail = (problem: string): void => end(() => reject(notReadyError(parts, problem)));
    const check = (): void => {
      if (stopSignal.aborted) return onStop();
      if (!reconciled.isOpen) return;
      const hopeless = missing.recheckAll().filter(isHopeless);
      if (missing.isEmpty) end(resolve);
      else if (hopeless.length > 0)
        fail(`: ${countText(hopeless.length)} will not be requested again ${nextRequestText(hopeless)}`);
    };
    const checkOne = (id: string): void => {
      if (!reconciled.isOpen) return;
      const record = missing.recheck(id);
      if ((record !== undefined && isHopeless(record)) || missing.isEmpty) check();
    };
    const timer = setTimeout(() => fail(` after ${timeoutMs} ms`), Math.min(Math.max(timeoutMs, 0), MAX_TIMER_MS));
    const onStop = (): void => end(() => reject(stoppedWhileWaitingError(parts)));
    // Checks later: when a hook is called, other effects of the same transition may not have started.
    const checkSoon = ({ subscription }: HookPayload): void => void setImmediate(checkOne, subscription.id);
    const removeListeners = (['verified', 'failed', 'denied', 'unsubscribed'] as const).map((name) =>
      hooks.on(name, checkSoon),
    );
    stopSignal.addEventListener('abort', onStop);
    void reconciled.opened.then(check);
    check();
  });
}

/** Subscriptions of services that this runtime does not run do not count. */
function isMissing(record: SubscriptionRecord, { core }: ReadinessParts): boolean {
  const isServed = core.context.services.get(record.service) !== undefined;
  return record.desired === 'subscribed' && isServed && !core.registry.isReady(record);
}

/** Whether a request is in flight, or planned before `endAt`, so that a hub may still grant the subscription. */
function canBecomeReady(record: SubscriptionRecord, endAt: number, { core }: ReadinessParts): boolean {
  if (record.stoppedBecause !== undefined) return false;
  return isInFlight(record, core.backgroundTasks) || (nextHubContactAt(record) ?? Infinity) <= endAt;
}

/** Whether a request of the subscription to a hub or publisher is in flight. */
function isInFlight({ id, grants }: SubscriptionRecord, backgroundTasks: BackgroundTasks): boolean {
  return (
    backgroundTasks.has(`${id} discover`) ||
    grants.some((grant) => grant.pending?.denied !== true && backgroundTasks.has(`${grant.id} subscribe`))
  );
}

function nextRequestText(hopeless: readonly SubscriptionRecord[]): string {
  const times = hopeless.flatMap((record) =>
    record.stoppedBecause === undefined ? (nextHubContactAt(record) ?? []) : [],
  );
  return times.length === 0 ? 'before retry()' : `before ${new Date(Math.min(...times)).toISOString()} or retry()`;
}

function stoppedWhileWaitingError(parts: ReadinessParts): WebSubError {
  const reasons = ['Not ready, because the runtime is stopping', ...describeMissing(missingNow(parts))];
  return new WebSubError(`${reasons.join('; ')}.`);
}

function notReadyError(parts: ReadinessParts, problem: string): WebSubError {
  const { reachability, core } = parts;
  if (!core.requestsAllowed.isOpen) {
    return new WebSubError(
      `Not ready: no subscribe request has been sent yet. Requests begin when ${reachability.startCondition}.`,
    );
  }
  const missing = missingNow(parts);
  const hint = missing.some(isAwaitingVerification)
    ? ` Hubs must reach ${reachability.baseUrl}/… (publicUrl with basePath). This URL ${reachability.routing}.`
    : '';
  return new WebSubError(
    `${[`Not ready${problem}`, ...describeMissing(missing)].join('; ')}.${hint} ` +
      'Nothing was changed, and the runtime is still running. Await ready() again, or call stop().',
  );
}

function countText(count: number): string {
  return count === 1 ? '1 subscription' : `${count} subscriptions`;
}

/** Whether a hub still has to reach the callback, or could not reach it. */
function isAwaitingVerification({ grants, lastError }: SubscriptionRecord): boolean {
  return grants.some(({ pending }) => pending !== undefined) || lastError?.cause === 'verification-missing';
}

function missingNow(parts: ReadinessParts): readonly SubscriptionRecord[] {
  return new AwaitedSubscriptions(parts.core.registry, (record) => isMissing(record, parts)).recheckAll();
}

/** The subscriptions without a grant, each with the reason. */
function describeMissing(missing: readonly SubscriptionRecord[]): readonly string[] {
  const lines = missing.slice(0, MAX_NAMED).map((record) => {
    const reason = record.lastError?.message.replace(/\.$/, '') ?? 'the hub has not verified it yet';
    const orphanNote =
      record.orphaned === true ? ' (no longer declared; pruneDeclared or unsubscribe(id) ends it)' : '';
    return `${targetName(record.target)} for ${record.service}${orphanNote} is ${stateOf(record)}: ${reason}`;
  });
  const more = missing.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])];
}
