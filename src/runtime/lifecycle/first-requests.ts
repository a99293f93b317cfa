import { setImmediate as macrotask } from 'node:timers/promises';
import type { HookPayload } from '../../delivery/hook-payloads.js';
import type { Engine } from '../../engine/engine.js';
import { ResourceDiscoveryFailedError, SubscriptionInitiationError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { isLive } from '../../subscription/machine/state.js';
import { waitAtMost } from './wait-limits.js';
import type { CheckedOptions } from '../config/check-options.js';
import type { Core } from '../core.js';
import type { Runtime } from '../runtime.js';

/** Milliseconds that `startService` waits for the first requests. Slower requests continue in the background. */
const FIRST_REQUESTS_TIMEOUT_MS = 5_000;

/** With `manual`: milliseconds for the application to mount the callbacks before the first requests. */
const MOUNT_WAIT_MS = 100;

/** Dependencies of the first requests. */
export interface FirstRequestsContext {
  readonly core: Core;
  readonly engine: Engine;
  readonly runtime: Pick<Runtime, 'isStopping' | 'onStop' | 'stop' | 'stopNow' | 'begin' | 'firstRequests'>;
  readonly logger: Logger;
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
export async function sendFirstRequests(context: FirstRequestsContext, options: FirstRequestOptions): Promise<void> {
  const { runtime } = context;
  runtime.firstRequests.set(() => runFirstRequests(context, options.failFast));
  if (runtime.isStopping) return;
  if (canRequestAtStart(options)) await runtime.begin();
  else if (options.deferRequests) log(context.logger, 'requests.deferred', { until: 'begin' });
  else deferFirstRequests(context, options.server);
}

type FirstRequestOptions = Pick<CheckedOptions, 'server' | 'manual' | 'failFast' | 'deferRequests'>;

async function runFirstRequests(context: FirstRequestsContext, failFast: boolean): Promise<void> {
  const { core, runtime } = context;
  core.requestsAllowed.open();
  if (!failFast) {
    await reconcileAndStart(context);
    await waitAtMost(core.backgroundTasks.waitForUndelayed(), FIRST_REQUESTS_TIMEOUT_MS);
    return;
  }
  const failure = await firstFailure(core, async () => {
    await reconcileAndStart(context);
    await core.backgroundTasks.waitForIdle();
  });
  if (failure === undefined) return;
  await runtime.stop();
  throw failure;
}

async function reconcileAndStart({ core, engine, runtime }: FirstRequestsContext): Promise<void> {
  try {
    await core.reconcile();
  } catch (error) {
    // A stop may close the store meanwhile. That is not a failure.
    if (!runtime.isStopping) throw error;
  }
  if (!runtime.isStopping) engine.start();
}

/** Delays the first requests until the callbacks are answered, because a hub may verify at once. */
function deferFirstRequests({ runtime, logger }: FirstRequestsContext, server: CheckedOptions['server']): void {
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
  const removeListener = core.hooks.on('failed', ({ subscription, error }: HookPayload) => {
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
