import type { Engine } from '../../engine/engine.js';
import type { Listener } from '../../http/listen/listener.js';
import type { Logger } from '../../logger.js';
import { isHeld } from '../../subscription/machine/state.js';
import { runAll, within, withinMs, type TimeLimit } from './wait-limits.js';
import type { Core } from '../core.js';
import type { HostServer } from './host-server.js';
import type { StopOptions } from '../subscriber-runtime.js';
import { leavingServices, reportLeftovers, unsubscribeAll } from './unsubscribe-all.js';

/** Milliseconds for each of the last steps, which take none unless something hangs, and for all of them past the end. */
export const LAST_STEP_MS = 2_000;

/** What is shut down. */
export interface Shutdown {
  readonly core: Core;
  readonly engine: Engine;
  readonly logger: Logger;
  readonly listener: Listener | undefined;
  /** The application's server, where the callbacks are answered on it. */
  readonly host: HostServer | undefined;
  /** Closes what was opened, in the order of opening. */
  readonly opened: readonly (() => unknown)[];
  /** Whether the store is still ours to write to. */
  readonly ownsStore: () => boolean;
  /** The services' and the user's own endings. */
  readonly endings: () => readonly (() => unknown)[];
  /** How long hubs and handlers are waited for. */
  readonly patience: TimeLimit;
  /** How long the endings are waited for. */
  readonly end: TimeLimit;
  /** How long the last steps are waited for, all of them together. */
  readonly last: TimeLimit;
}

/** Ends a runtime: unsubscribes, lets handlers end or stores their events, and closes. Never rejects. */
export async function shutDown(shutdown: Shutdown, options: StopOptions): Promise<void> {
  const { core, engine, logger, listener, opened, ownsStore, patience, end, last } = shutdown;
  const step = (work: Promise<unknown>): Promise<void> => within(withinMs(work, LAST_STEP_MS), last.signal);
  core.close();
  // No stored event is begun with any more, however long hubs take. Hubs and handlers are waited for at the same time.
  const handled = Promise.all([core.news.delivery.settled(), core.news.inbox.stop()]);
  const waited = within(handled, patience.signal).catch(() => {});
  // At once: whoever asked for the stop may not wait for its end.
  const unmarked = core.news.markers.stop(ownsStore());
  await runAll([() => leaveHubs(shutdown, options)], logger, 'unsubscribing failed');
  await waited;
  engine.stop();
  core.closeCallbacks();
  const closed = listener?.close();
  await runAll([() => settleHandlers(shutdown, step)], logger, 'handlers could not be waited for');
  await within(runEndings(shutdown), end.signal);
  core.abort();
  await step(core.underWay.idle());
  // Connections that were busy before are idle now.
  void listener?.close();
  await step(Promise.resolve(closed));
  await step(unmarked);
  if (ownsStore()) {
    await runAll([() => step(core.registry.flush())], logger, 'counters could not be stored');
    await step(core.news.absence.note());
  }
  const closing = opened.toReversed().map((close) => () => step(ended(close)));
  await runAll(closing, logger, 'something could not be closed');
  patience.end();
  end.end();
  last.end();
  logger.info('stopped');
}

async function leaveHubs({ core, logger, listener, patience, host }: Shutdown, options: StopOptions): Promise<void> {
  // What is being declared at this moment is left as well.
  await within(core.reconciling, patience.signal);
  if (host?.isListening() === false) {
    if (leaves(core, options)) logger.warn(`${SERVER_CLOSED}: hubs are not asked to stop sending. ${STOP_FIRST}`);
    return;
  }
  const over = new AbortController();
  const signal = AbortSignal.any([patience.signal, over.signal]);
  const watchHost = async (): Promise<void> => {
    await host?.closed(signal);
    if (host === undefined || signal.aborted) return;
    logger.warn(
      `${SERVER_CLOSED} while hubs verify that they stop sending: the stop does not wait for them. ${STOP_FIRST}`,
    );
    over.abort();
  };
  const watched = watchHost();
  await unsubscribeAll(core, options, { signal, logger });
  over.abort();
  await watched;
  reportLeftovers(core, logger, listener === undefined ? `. ${STOP_FIRST}` : '');
}

const SERVER_CLOSED = 'the given server (option server) accepts no connections';
const STOP_FIRST = 'Await runtime.stop() before you close the server';

/** Whether a stop with these options asks any hub to stop sending. */
function leaves(core: Core, options: StopOptions): boolean {
  const leaving = leavingServices(core, options);
  for (const { record } of core.registry.entries()) {
    if (leaving.has(record.service) && record.grants.some(isHeld)) return true;
  }
  return false;
}

async function ended(close: () => unknown): Promise<void> {
  await close();
}

/** Says which of the endings are not over when their time is: also where there was none, those that need none are run. */
async function runEndings({ endings, end, logger }: Shutdown): Promise<void> {
  let isOver = false;
  const onTimeUp = (): void =>
    void setImmediate(() => {
      if (!isOver) logger.warn('onShutdown, or a shutdown listener, takes too long and is not waited for');
    });
  if (end.signal.aborted) onTimeUp();
  else end.signal.addEventListener('abort', onTimeUp, { once: true });
  await runAll(endings(), logger, 'a shutdown listener failed');
  isOver = true;
}

/** Handlers end by themselves, or their events are in the store for the next start. */
async function settleHandlers(
  { core, logger, patience }: Shutdown,
  step: (work: Promise<unknown>) => Promise<void>,
): Promise<void> {
  const { delivery, inbox } = core.news;
  const stopped = inbox.stop();
  await within(Promise.all([delivery.settled(), stopped]), patience.signal);
  if (delivery.isAtWork) logger.warn('handlers are still at work, and are not waited for any longer');
  delivery.hurry();
  delivery.abort();
  await step(delivery.answered());
}
