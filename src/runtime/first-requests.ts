import { setImmediate as macrotask } from 'node:timers/promises';
import type { HookPayload } from '../delivery/hooks.js';
import type { Engine } from '../engine/engine.js';
import { ResourceDiscoveryFailedError, SubscriptionInitiationError } from '../errors.js';
import type { Logger } from '../logger.js';
import { isHeld } from '../subscription/state.js';
import { withinMs } from './bounded.js';
import type { CheckedOptions } from './check-options.js';
import type { Core } from './core.js';
import type { Runtime } from './runtime.js';

/** Milliseconds that `startService` waits for first requests to leave; those that take longer go on by themselves. */
const FIRST_REQUESTS_MS = 5_000;

/** Milliseconds for whoever mounts the callbacks by hand to do so, before a hub is told of them. */
const MOUNTING_MS = 100;

/** What begins to subscribe. */
export interface Beginning {
  readonly core: Core;
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly logger: Logger;
}

/**
 * Asks for what is declared and for what the store still wants. Resolves when every first request has left or is
 * scheduled, or at once where the callbacks are not answered yet: it begins when they are.
 *
 * @throws ResourceDiscoveryFailedError and SubscriptionInitiationError, with `failFast`
 * @throws StoreError when what is declared cannot be stored
 */
export async function sendFirstRequests(
  beginning: Beginning,
  { server, manual, failFast }: CheckedOptions,
): Promise<void> {
  if (manual || server?.listening === false) return beginLater(beginning, server);
  const { core, runtime } = beginning;
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

/** A hub that verifies at once would find nobody: it is told of the callbacks when they are answered. */
function beginLater(beginning: Beginning, server: CheckedOptions['server']): void {
  const { runtime, logger } = beginning;
  const start = async (): Promise<void> => {
    try {
      await begin(beginning);
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
