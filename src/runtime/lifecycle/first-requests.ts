import { setImmediate as macrotask } from 'node:timers/promises';
import type { HookPayload } from '../../delivery/hook-payloads.js';
import type { Engine } from '../../engine/engine.js';
import { ResourceDiscoveryFailedError, SubscriptionInitiationError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { isHeld } from '../../subscription/machine/state.js';
import { withinMs } from './wait-limits.js';
import type { CheckedOptions } from '../config/check-options.js';
import type { Core } from '../core.js';
import type { Runtime } from '../runtime.js';

/** Milliseconds that `startService` waits for first requests to leave; those that take longer go on by themselves. */
const FIRST_REQUESTS_MS = 5_000;

/** Milliseconds that an application has for mounting the callbacks, before a hub is asked with `manual`. */
const MOUNTING_MS = 100;

/** What the first requests need. */
export interface Beginning {
  readonly core: Core;
  readonly engine: Engine;
  readonly runtime: Pick<Runtime, 'isStopping' | 'onStop' | 'stop' | 'stopNow' | 'begin' | 'firstRequests'>;
  readonly logger: Logger;
}

/** Whether hubs can be asked as soon as the runtime has started: nothing else has to listen first. */
export function mayAskAtOnce({ server, manual, deferRequests }: FirstRequestOptions): boolean {
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
export async function sendFirstRequests(beginning: Beginning, options: FirstRequestOptions): Promise<void> {
  const { runtime } = beginning;
  runtime.firstRequests.use(() => firstRequests(beginning, options.failFast));
  if (runtime.isStopping) return;
  if (mayAskAtOnce(options)) await runtime.begin();
  else if (options.deferRequests) beginning.logger.info('hubs are asked when runtime.begin() is called');
  else beginLater(beginning, options.server);
}

type FirstRequestOptions = Pick<CheckedOptions, 'server' | 'manual' | 'failFast' | 'deferRequests'>;

async function firstRequests(beginning: Beginning, failFast: boolean): Promise<void> {
  const { core, runtime } = beginning;
  core.begun.open();
  if (!failFast) {
    await begin(beginning);
    await withinMs(core.underWay.sent(), FIRST_REQUESTS_MS);
    return;
  }
  const failed = await firstFailure(core, async () => {
    await begin(beginning);
    await core.underWay.idle();
  });
  if (failed === undefined) return;
  await runtime.stop();
  throw failed;
}

async function begin({ core, engine, runtime }: Beginning): Promise<void> {
  try {
    await core.reconcile();
  } catch (error) {
    // A store that was closed meanwhile is none that failed.
    if (!runtime.isStopping) throw error;
  }
  if (!runtime.isStopping) engine.start();
}

/** A hub may verify at once, so the first requests wait until the callbacks are answered. */
function beginLater({ runtime, logger }: Beginning, server: CheckedOptions['server']): void {
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
    const timer = setTimeout(soon, MOUNTING_MS);
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
  const off = core.hooks.on('failed', ({ subscription, error }: HookPayload) => {
    const counts = error instanceof SubscriptionInitiationError || error instanceof ResourceDiscoveryFailedError;
    if (counts && !failures.has(subscription.id)) failures.set(subscription.id, error);
  });
  try {
    await work();
    // Listeners of hooks are called in turn: the last of them now.
    await macrotask();
  } finally {
    off();
  }
  for (const [id, failure] of failures) {
    const grants = core.registry.get(id)?.record.grants ?? [];
    if (!grants.some((grant) => isHeld(grant) || grant.pending !== undefined)) return failure;
  }
  return undefined;
}
