import { setImmediate as macrotask } from 'node:timers/promises';
import type { HookPayload } from '../../delivery/hook-payloads.js';
import type { Engine } from '../../engine/engine.js';
import { ResourceDiscoveryFailedError, SubscriptionInitiationError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { isLive } from '../../subscription/machine/state.js';
import { waitAtMost } from './wait-limits.js';
import type { CheckedOptions } from '../config/check-options.js';
import type { Core } from '../core.js';
import type { Runtime } from '../runtime.js';

/** Milliseconds that `startService` waits for first requests to leave; those that take longer go on by themselves. */
const FIRST_REQUESTS_TIMEOUT_MS = 5_000;

/** Milliseconds that an application has for mounting the callbacks, before a hub is asked with `manual`. */
const MOUNT_WAIT_MS = 100;

/** What the first requests need. */
export interface FirstRequestsContext {
  readonly core: Core;
  readonly engine: Engine;
  readonly runtime: Pick<Runtime, 'isStopping' | 'onStop' | 'stop' | 'stopNow' | 'begin' | 'firstRequests'>;
  readonly logger: Logger;
}

/** Whether hubs can be asked as soon as the runtime has started: nothing else has to listen first. */
export function canRequestAtStart({ server, manual, deferRequests }: FirstRequestOptions): boolean {
  return !deferRequests && !manual && server?.listening !== false;
}

/**
 * Asks for what is declared and for what the store still wants. Resolves when every first request has left or is
 * scheduled. If the callbacks cannot be answered yet, it resolves at once: the requests follow when the given server listens,
 * shortly after with `manual`, or at `runtime.begin()` with `deferRequests`.
 *
 * @throws ResourceDiscoveryFailedError and SubscriptionInitiationError, with `failFast`
 * @throws StoreError when what is declared cannot be stored
 */
export async function sendFirstRequests(context: FirstRequestsContext, options: FirstRequestOptions): Promise<void> {
  const { runtime } = context;
  runtime.firstRequests.set(() => runFirstRequests(context, options.failFast));
  if (runtime.isStopping) return;
  if (canRequestAtStart(options)) await runtime.begin();
  else if (options.deferRequests) context.logger.info('hubs are asked when runtime.begin() is called');
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
    // A store that was closed meanwhile is none that failed.
    if (!runtime.isStopping) throw error;
  }
  if (!runtime.isStopping) engine.start();
}

/** A hub may verify at once, so the first requests wait until the callbacks are answered. */
function deferFirstRequests({ runtime, logger }: FirstRequestsContext, server: CheckedOptions['server']): void {
  const start = async (): Promise<void> => {
    if (runtime.isStopping) return;
    try {
      await runtime.begin();
    } catch (error) {
      logger.fatal({ err: error }, 'the declared subscriptions could not be stored: stopping');
      await runtime.stopNow();
    }
  };
  const soon = (): void => void start();
  if (server === undefined) {
    const timer = setTimeout(soon, MOUNT_WAIT_MS);
    runtime.onStop(() => clearTimeout(timer));
  } else {
    logger.info('hubs are asked when the given server listens');
    server.once('listening', soon);
    runtime.onStop(() => server.off('listening', soon));
  }
}

/** The first error of a subscription that no other hub was found for meanwhile. */
async function firstFailure(core: Core, work: () => Promise<void>): Promise<Error | undefined> {
  const failures = new Map<string, Error>();
  const removeListener = core.hooks.on('failed', ({ subscription, error }: HookPayload) => {
    const isFirstRequestError =
      error instanceof SubscriptionInitiationError || error instanceof ResourceDiscoveryFailedError;
    if (isFirstRequestError && !failures.has(subscription.id)) failures.set(subscription.id, error);
  });
  try {
    await work();
    // Listeners of hooks are called in turn: the last of them now.
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
