import type { HookPayload } from '../../delivery/hook-payloads.js';
import { SubscriptionInitiationError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import { SHUTDOWN_RETRY_MS } from '../../subscription/retry-policy.js';
import { waitUnlessAborted } from './wait-limits.js';
import type { Core } from '../core.js';
import { AwaitedSubscriptions } from './awaited-subscriptions.js';
import type { StopOptions } from '../subscriber-runtime.js';

/**
 * Unsubscribes at the hubs, and waits until each has verified or failed, or the signal aborts. The subscriptions stay
 * wanted.
 */
export async function unsubscribeAll(core: Core, options: StopOptions, signal: AbortSignal): Promise<void> {
  const { hooks, logger } = core.context;
  const serviceNames = servicesToUnsubscribe(core, options);
  const recordsToUnsubscribe = (): readonly SubscriptionRecord[] =>
    [...core.registry.all()].flatMap(({ record }) => (serviceNames.has(record.service) ? record : []));
  const unsubscribe = async ({ id }: { readonly id: string }): Promise<void> => {
    try {
      await core.registry.apply(id, { type: 'unwanted', why: 'shutdown' });
    } catch (error) {
      log(logger, 'shutdown.unsubscribe-not-stored', { subscription: id, err: error });
    }
  };
  // A hub may still verify an earlier subscribe request. That subscription is unsubscribed again. A subscription that
  // its handler keeps is not: it emits neither of these hooks.
  const onVerified = ({ subscription }: HookPayload): void => {
    if (serviceNames.has(subscription.service)) void unsubscribe(subscription);
  };
  let hasRequested = false;
  let resolveDone = (): void => {};
  const done = new Promise<void>((resolve) => {
    resolveDone = resolve;
  });
  const failures = new FailureCounts();
  const awaited = new AwaitedSubscriptions(
    core.registry,
    (record) => serviceNames.has(record.service) && isAwaitingUnsubscription(record, failures),
  );
  const check = (): void => {
    if (signal.aborted || (hasRequested && awaited.recheckAll().length === 0)) resolveDone();
  };
  const checkOne = (id: string): void => {
    awaited.recheck(id);
    if (awaited.isEmpty) check();
  };
  const retryTimers = new Set<NodeJS.Timeout>();
  const onFailed = ({ subscription, grant, error }: HookPayload): void => {
    if (!serviceNames.has(subscription.service) || grant === undefined) return;
    // A hub that accepted the request may still verify it. One that did not gets one more request.
    if (!(error instanceof SubscriptionInitiationError) || failures.increment(grant.id) > 1) return;
    retryTimers.add(setTimeout(() => void unsubscribe(subscription), SHUTDOWN_RETRY_MS));
  };
  // Checks later: when a hook is called, other effects of the same transition may not have started.
  const checkSoon = ({ subscription }: HookPayload): void => void setImmediate(checkOne, subscription.id);
  const removeListeners = [
    ...(['verified', 'renewed'] as const).map((name) => hooks.on(name, onVerified)),
    hooks.on('failed', onFailed),
    ...(['unsubscribed', 'denied', 'expired', 'failed'] as const).map((name) => hooks.on(name, checkSoon)),
  ];
  signal.addEventListener('abort', check);
  try {
    // A hanging store must not delay the stop longer than the hubs.
    await waitUnlessAborted(Promise.all(recordsToUnsubscribe().map(unsubscribe)), signal);
    hasRequested = true;
    check();
    await done;
    // A hub may verify before it answers the request. Waits for the answers, too.
    await waitUnlessAborted(
      core.backgroundTasks.waitFor((key) => key.endsWith(' unsubscribe')),
      signal,
    );
  } finally {
    for (const timer of retryTimers) clearTimeout(timer);
    for (const removeListener of removeListeners) removeListener();
    signal.removeEventListener('abort', check);
  }
}

/** Returns the names of the services that a stop with these options unsubscribes. */
export function servicesToUnsubscribe({ context }: Core, { unsubscribe }: StopOptions): ReadonlySet<string> {
  const services = context.services.all();
  return new Set(services.flatMap(({ config }) => ((unsubscribe ?? config.unsubscribeOnShutdown) ? config.name : [])));
}

/** Number of failed unsubscribe requests by grant. */
class FailureCounts {
  readonly #counts = new Map<string, number>();

  /** Counts a failure, and returns the new count. */
  increment(grantId: string): number {
    const count = this.get(grantId) + 1;
    this.#counts.set(grantId, count);
    return count;
  }

  get(grantId: string): number {
    return this.#counts.get(grantId) ?? 0;
  }
}

/** Whether a hub may still verify an unsubscription, or gets one more request. */
function isAwaitingUnsubscription({ grants }: SubscriptionRecord, failures: FailureCounts): boolean {
  return grants.some(({ id, state, attempts, superseded }) => {
    if (state !== 'unsubscribing') return false;
    return superseded === true ? attempts === 0 : failures.get(id) <= 1;
  });
}

/**
 * Logs hubs that did not verify the unsubscription, with the time until which they may send.
 *
 * @param isServerGiven whether the application closes the server, perhaps too early
 */
export function logUnverified({ context, registry }: Core, isServerGiven: boolean): void {
  for (const { record } of registry.all()) {
    for (const grant of record.grants) {
      if (grant.state !== 'unsubscribing') continue;
      const { hub, topic, expiresAt } = grant;
      const lease = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
      log(context.logger, 'shutdown.hub-not-verified', {
        subscription: record.id,
        hub,
        topic,
        ...lease,
        isServerGiven,
      });
    }
  }
}
