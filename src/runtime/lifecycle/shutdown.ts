import type { Listener } from '../../http/listen/listener.js';
import { log } from '../../log-events.js';
import { isLive } from '../../subscription/machine/state.js';
import { runAll, waitUnlessAborted, waitAtMost, type TimeLimit } from './wait-limits.js';
import type { Core } from '../core.js';
import type { HostServer } from './host-server.js';
import type { StopOptions } from '../subscriber-runtime.js';
import { logUnverified, servicesToUnsubscribe, unsubscribeAll } from './unsubscribe-all.js';

/**
 * Maximum milliseconds for each of the last steps. All last steps together may exceed `gracefulShutdownSeconds` by this
 * much. They take no time unless something hangs.
 */
export const LAST_STEP_MS = 2_000;

/** The parts of a runtime to shut down, and the time limits. */
export interface Shutdown {
  readonly core: Core;
  readonly listener: Listener | undefined;
  /** The application's server, if it answers the callbacks. */
  readonly hostServer: HostServer | undefined;
  /** Functions that close what was opened, in the order of opening. */
  readonly cleanups: readonly (() => unknown)[];
  /** Whether this process still owns the store and may write to it. */
  readonly ownsStore: () => boolean;
  /** `onShutdown` of the started services, then the listeners of `runtime.onShutdown()`. */
  readonly shutdownListeners: () => readonly (() => unknown)[];
  /** The limit for hubs and handlers. */
  readonly gracePeriod: TimeLimit;
  /** The limit for the shutdown listeners. */
  readonly listenersLimit: TimeLimit;
  /** The limit for all last steps together. */
  readonly finalStepsLimit: TimeLimit;
}

/** Stops a runtime: unsubscribes, waits for handlers or stores their events, and closes. Never rejects. */
export async function shutDown(shutdown: Shutdown, options: StopOptions): Promise<void> {
  const { core, listener, cleanups, ownsStore, gracePeriod, listenersLimit, finalStepsLimit } = shutdown;
  const { engine, logger, closing } = core.context;
  const waitForStep = (work: Promise<unknown>): Promise<void> =>
    waitUnlessAborted(waitAtMost(work, LAST_STEP_MS), finalStepsLimit.signal);
  core.stopSubscribing();
  // No stored event is dispatched any more, however long hubs take. Waits for hubs and handlers at the same time.
  const handled = Promise.all([core.pipeline.delivery.settled(), core.pipeline.inbox.stop()]);
  const waited = waitUnlessAborted(handled, gracePeriod.signal).catch(() => {});
  // Starts at once: the caller of the stop may end the process early.
  const unmarked = core.pipeline.markers.stop(ownsStore());
  await runAll([() => unsubscribeFromHubs(shutdown, options)], logger, 'unsubscribe');
  await waited;
  engine.stop();
  closing.closeCallbacks();
  const closed = listener?.close();
  await runAll([() => waitForHandlers(shutdown, waitForStep)], logger, 'wait for handlers');
  await waitUnlessAborted(runShutdownListeners(shutdown), listenersLimit.signal);
  closing.abort();
  await waitForStep(core.backgroundTasks.waitForIdle());
  // Ends connections that completed their TLS handshake after the first call and have sent no request.
  void listener?.close();
  await waitForStep(Promise.resolve(closed));
  await waitForStep(unmarked);
  if (ownsStore()) {
    await runAll([() => waitForStep(core.registry.flush())], logger, 'store counters');
    await waitForStep(core.pipeline.liveness.writeHeartbeat());
  }
  const closes = cleanups.toReversed().map((close) => () => waitForStep(closeAsync(close)));
  await runAll(closes, logger, 'close');
  gracePeriod.end();
  listenersLimit.end();
  finalStepsLimit.end();
  log(logger, 'runtime.stopped');
}

async function unsubscribeFromHubs(
  { core, listener, gracePeriod, hostServer }: Shutdown,
  options: StopOptions,
): Promise<void> {
  const { logger } = core.context;
  // Waits for a running reconciliation, so that its new subscriptions are unsubscribed too.
  await waitUnlessAborted(core.reconciling, gracePeriod.signal);
  if (hostServer?.isListening() === false) {
    if (willUnsubscribe(core, options)) log(logger, 'shutdown.server-closed', { isWaiting: false });
    return;
  }
  const finished = new AbortController();
  const signal = AbortSignal.any([gracePeriod.signal, finished.signal]);
  const watchHost = async (): Promise<void> => {
    await hostServer?.closed(signal);
    if (hostServer === undefined || signal.aborted) return;
    log(logger, 'shutdown.server-closed', { isWaiting: true });
    finished.abort();
  };
  const watched = watchHost();
  await unsubscribeAll(core, options, signal);
  finished.abort();
  await watched;
  logUnverified(core, listener === undefined);
}

/** Whether a stop with these options unsubscribes anything. */
function willUnsubscribe(core: Core, options: StopOptions): boolean {
  const serviceNames = servicesToUnsubscribe(core, options);
  for (const { record } of core.registry.all()) {
    if (serviceNames.has(record.service) && record.grants.some(isLive)) return true;
  }
  return false;
}

async function closeAsync(close: () => unknown): Promise<void> {
  await close();
}

/** Runs the shutdown listeners, even without time left, and warns if they exceed their limit. */
async function runShutdownListeners({ core, shutdownListeners, listenersLimit }: Shutdown): Promise<void> {
  const { logger } = core.context;
  let isDone = false;
  const onTimeUp = (): void =>
    void setImmediate(() => {
      if (!isDone) log(logger, 'shutdown.listener-slow');
    });
  if (listenersLimit.signal.aborted) onTimeUp();
  else listenersLimit.signal.addEventListener('abort', onTimeUp, { once: true });
  await runAll(shutdownListeners(), logger, 'shutdown listener');
  isDone = true;
}

/** Waits for running handlers up to the limit. Events of handlers that take longer are stored for the next start. */
async function waitForHandlers(
  { core, gracePeriod }: Shutdown,
  waitForStep: (work: Promise<unknown>) => Promise<void>,
): Promise<void> {
  const { delivery, inbox } = core.pipeline;
  const stopped = inbox.stop();
  await waitUnlessAborted(Promise.all([delivery.settled(), stopped]), gracePeriod.signal);
  if (delivery.hasRunningHandlers) log(core.context.logger, 'shutdown.handlers-running');
  delivery.stopWaiting();
  delivery.abort();
  await waitForStep(delivery.allAnswered());
}
