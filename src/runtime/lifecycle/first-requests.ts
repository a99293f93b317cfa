import { setImmediate as macrotask } from 'node:timers/promises';
import type { HookPayload } from '../../delivery/hook-payloads.js';
import { ResourceDiscoveryFailedError, SubscriptionInitiationError } from '../../errors.js';
import { log } from '../../log-events.js';
import { isLive } from '../../subscription/machine/state.js';
import { waitAtMost } from './wait-limits.js';
import type { CheckedOptions } from '../config/check-options.js';
import type { Core } from '../core.js';
import type { Runtime } from '../runtime.js';

/** Milliseconds that `startService` waits for the first requests. Slower requests continue in the background. */
const FIRST_REQUESTS_TIMEOUT_MS = 5_000;

/** With `manual`: milliseconds for the application to mount the callbacks before the first requests. */
const MOUNT_WAIT_MS = 100;

/** The parts of a runtime that send the first requests. */
export interface FirstRequestParts {
  readonly core: Core;
  readonly runtime: Pick<Runtime, 'isStopping' | 'onStop' | 'stop' | 'stopNow' | 'begin' | 'firstRequests'>;
}

/** Whether the first requests can be sent at start: the server already listens. */
export function canRequestAtStart({ server, manual, deferRequests }: FirstRequestOptions): boolean {
  return !deferRequests && !manual && server?.listening !== false;
}

/**
 * Requests the declared and stored subscriptions that need it. Resolves once every first request was sent or is
 * scheduled.
 *
 * If the callbacks cannot be answered yet, it resolves at once. The requests then follow when the given server listens,
 * 100 ms later with `manual`, or at `runtime.begin()` with `deferRequests`.
 *
 * @throws ResourceDiscoveryFailedError | SubscriptionInitiationError with `failFast`
 * @throws StoreError if the declared subscriptions cannot be stored
 */
export async function sendFirstRequests(parts: FirstRequestParts, options: FirstRequestOptions): Promise<void> {
  const { core, runtime } = parts;
  runtime.firstRequests.set(() => runFirstRequests(parts, options.failFast));
  if (runtime.isStopping) return;
  if (canRequestAtStart(options)) await runtime.begin();
  else if (options.deferRequests) log(core.context.logger, 'requests.deferred', { until: 'begin' });
  else deferFirstRequests(parts, options.server);
}

type FirstRequestOptions = Pick<CheckedOptions, 'server' | 'manual' | 'failFast' | 'deferRequests'>;

async function runFirstRequests(parts: FirstRequestParts, failFast: boolean): Promise<void> {
  const { core, runtime } = parts;
  core.requestsAllowed.open();
  if (!failFast) {
    await reconcileAndStart(parts);
    await waitAtMost(core.backgroundTasks.waitForUndelayed(), FIRST_REQUESTS_TIMEOUT_MS);
    return;
  }
  const failure = await firstFailure(core, async () => {
    await reconcileAndStart(parts);
    await core.backgroundTasks.waitForIdle();
  });
  if (failure === undefined) return;
  await runtime.stop();
  throw failure;
}

async function reconcileAndStart({ core, runtime }: FirstRequestParts): Promise<void> {
  try {
    await core.reconcile();
  } catch (error) {
    // A stop may close the store meanwhile. That is not a failure.
    if (!runtime.isStopping) throw error;
  }
  if (!runtime.isStopping) core.context.engine.start();
}

/** Delays the first requests until the callbacks are answered, because a hub may verify at once. */
function deferFirstRequests({ core, runtime }: FirstRequestParts, server: CheckedOptions['server']): void {
  const { logger } = core.context;
  const start = async (): Promise<void> => {
    if (runtime.isStopping) return;
    try {
      await runtime.begin();
    } catch (error) {
      log(logger, 'declared.not-stored', { err: error });
      await runtime.stopNow();
    }
  };
  const soon = (): void => void start();
  if (server === undefined) {
    const timer = setTimeout(soon, MOUNT_WAIT_MS);
    runtime.onStop(() => clearTimeout(timer));
  } else {
    log(logger, 'requests.deferred', { until: 'listening' });
    server.once('listening', soon);
    runtime.onStop(() => server.off('listening', soon));
  }
}

/** The first error of a subscription that has no live grant and no pending request after `work`. */
async function firstFailure(core: Core, work: () => Promise<void>): Promise<Error | undefined> {
  const failures = new Map<string, Error>();
  const removeListener = core.context.hooks.on('failed', ({ subscription, error }: HookPayload) => {
    const isFirstRequestError =
      error instanceof SubscriptionInitiationError || error instanceof ResourceDiscoveryFailedError;
    if (isFirstRequestError && !failures.has(subscription.id)) failures.set(subscription.id, error);
  });
  try {
    await work();
    // Lets the last hook listeners run.
    await macrotask();
  } finally {
    removeListener();
  }
  for (const [id, failure] of failures) {
    const grants = core.registry.get(id)?.record.grants ?? [];
    if (!grants.some((grant) => isLive(grant) || grant.pending !== undefined)) return failure;
  }
  return undefined;
}
