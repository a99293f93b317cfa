import type { Engine } from '../../engine/engine.js';
import type { Listener } from '../../http/listen/listener.js';
import type { Logger } from '../../logger.js';
import { isLive } from '../../subscription/machine/state.js';
import { runAll, waitUnlessAborted, waitAtMost, type TimeLimit } from './wait-limits.js';
import type { Core } from '../core.js';
import type { HostServer } from './host-server.js';
import type { StopOptions } from '../subscriber-runtime.js';
import { servicesToUnsubscribe, warnOfUnverified, unsubscribeAll } from './unsubscribe-all.js';

/** Milliseconds for each of the last steps, which take none unless something hangs, and for all of them past the end. */
export const LAST_STEP_MS = 2_000;

/** What is shut down. */
export interface Shutdown {
  readonly core: Core;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly listener: Listener | undefined;
  /** The application's server, where the callbacks are answered on it. */
  readonly hostServer: HostServer | undefined;
  /** Closes what was opened, in the order of opening. */
  readonly cleanups: readonly (() => unknown)[];
  /** Whether the store is still ours to write to. */
  readonly ownsStore: () => boolean;
  /** The services' and the user's own endings. */
  readonly shutdownListeners: () => readonly (() => unknown)[];
  /** How long hubs and handlers are waited for. */
  readonly gracePeriod: TimeLimit;
  /** How long the endings are waited for. */
  readonly listenersLimit: TimeLimit;
  /** How long the last steps are waited for, all of them together. */
  readonly finalStepsLimit: TimeLimit;
}

/** Ends a runtime: unsubscribes, lets handlers end or stores their events, and closes. Never rejects. */
export async function shutDown(shutdown: Shutdown, options: StopOptions): Promise<void> {
  const { core, engine, logger, listener, cleanups, ownsStore, gracePeriod, listenersLimit, finalStepsLimit } =
    shutdown;
  const waitForStep = (work: Promise<unknown>): Promise<void> =>
    waitUnlessAborted(waitAtMost(work, LAST_STEP_MS), finalStepsLimit.signal);
  core.close();
  // No stored event is begun with any more, however long hubs take. Hubs and handlers are waited for at the same time.
  const handled = Promise.all([core.pipeline.delivery.settled(), core.pipeline.inbox.stop()]);
  const waited = waitUnlessAborted(handled, gracePeriod.signal).catch(() => {});
  // At once: whoever asked for the stop may not wait for its end.
  const unmarked = core.pipeline.markers.stop(ownsStore());
  await runAll([() => unsubscribeFromHubs(shutdown, options)], logger, 'unsubscribing failed');
  await waited;
  engine.stop();
  core.closeCallbacks();
  const closed = listener?.close();
  await runAll([() => waitForHandlers(shutdown, waitForStep)], logger, 'handlers could not be waited for');
  await waitUnlessAborted(runShutdownListeners(shutdown), listenersLimit.signal);
  core.abort();
  await waitForStep(core.backgroundTasks.waitForIdle());
  // Connections that were busy before are idle now.
  void listener?.close();
  await waitForStep(Promise.resolve(closed));
  await waitForStep(unmarked);
  if (ownsStore()) {
    await runAll([() => waitForStep(core.registry.flush())], logger, 'counters could not be stored');
    await waitForStep(core.pipeline.liveness.writeHeartbeat());
  }
  const closing = cleanups.toReversed().map((close) => () => waitForStep(closeAsync(close)));
  await runAll(closing, logger, 'something could not be closed');
  gracePeriod.end();
  listenersLimit.end();
  finalStepsLimit.end();
  logger.info('stopped');
}

async function unsubscribeFromHubs(
  { core, logger, listener, gracePeriod, hostServer }: Shutdown,
  options: StopOptions,
): Promise<void> {
  // What is being declared at this moment is left as well.
  await waitUnlessAborted(core.reconciling, gracePeriod.signal);
  if (hostServer?.isListening() === false) {
    if (willUnsubscribe(core, options))
      logger.warn(`${SERVER_CLOSED}: hubs are not asked to stop sending. ${STOP_FIRST}`);
    return;
  }
  const finished = new AbortController();
  const signal = AbortSignal.any([gracePeriod.signal, finished.signal]);
  const watchHost = async (): Promise<void> => {
    await hostServer?.closed(signal);
    if (hostServer === undefined || signal.aborted) return;
    logger.warn(
      `${SERVER_CLOSED} while hubs verify that they stop sending: the stop does not wait for them. ${STOP_FIRST}`,
    );
    finished.abort();
  };
  const watched = watchHost();
  await unsubscribeAll(core, options, { signal, logger });
  finished.abort();
  await watched;
  warnOfUnverified(core, logger, listener === undefined ? `. ${STOP_FIRST}` : '');
}

const SERVER_CLOSED = 'the given server (option server) accepts no connections';
const STOP_FIRST = 'Await runtime.stop() before you close the server';

/** Whether a stop with these options asks any hub to stop sending. */
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

/** Says which of the endings are not over when their time is: also where there was none, those that need none are run. */
async function runShutdownListeners({ shutdownListeners, listenersLimit, logger }: Shutdown): Promise<void> {
  let isOver = false;
  const onTimeUp = (): void =>
    void setImmediate(() => {
      if (!isOver) logger.warn('onShutdown, or a shutdown listener, takes too long and is not waited for');
    });
  if (listenersLimit.signal.aborted) onTimeUp();
  else listenersLimit.signal.addEventListener('abort', onTimeUp, { once: true });
  await runAll(shutdownListeners(), logger, 'a shutdown listener failed');
  isOver = true;
}

/** Handlers end by themselves, or their events are in the store for the next start. */
async function waitForHandlers(
  { core, logger, gracePeriod }: Shutdown,
  waitForStep: (work: Promise<unknown>) => Promise<void>,
): Promise<void> {
  const { delivery, inbox } = core.pipeline;
  const stopped = inbox.stop();
  await waitUnlessAborted(Promise.all([delivery.settled(), stopped]), gracePeriod.signal);
  if (delivery.hasRunningHandlers) logger.warn('handlers are still at work, and are not waited for any longer');
  delivery.stopWaiting();
  delivery.abort();
  await waitForStep(delivery.allAnswered());
}
