import { setTimeout as delay } from 'node:timers/promises';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import {
  acquireOwnerLock,
  findLiveOwner,
  ownerFromError,
  type AcquireOwnerLockOptions,
  type OwnerLock,
} from './owner-lock.js';
import { stillInUseError } from './owner-lock-error.js';
import type { StoreOwner } from './owner-record.js';
import type { RecordStore } from '../record-store.js';

/** Milliseconds between checks of the store's owner. A check is one read. */
const POLL_INTERVAL_MS = 100;

/** Milliseconds between log lines during the wait. */
const LOG_INTERVAL_MS = 60_000;

/** How long to wait for a store's owner, and where to log the wait. */
export interface OwnerLockWaitOptions {
  /** Milliseconds to wait; 0 does not wait. */
  readonly waitMs: number;
  /** Logs when the wait begins, then at most once a minute. */
  readonly logger: Logger;
  /** Monotonic milliseconds. @default performance.now */
  readonly elapsed?: (() => number) | undefined;
  /** Waits `milliseconds`. @default a timer */
  readonly pause?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

/**
 * Makes this process the store's only owner, as {@link acquireOwnerLock} does, but first waits until the current owner
 * releases the store or dies.
 *
 * @throws StoreError naming the owner when one is still alive after `waitMs`. Other errors of {@link acquireOwnerLock}
 *   are thrown at once.
 */
export async function waitForOwnerLock(
  store: RecordStore,
  options: AcquireOwnerLockOptions,
  { waitMs, logger, elapsed = () => performance.now(), pause = delay }: OwnerLockWaitOptions,
): Promise<OwnerLock> {
  const startedAt = elapsed();
  let loggedAt = -Infinity;
  const logWait = ({ pid, host }: StoreOwner, waitLeftMs: number): void => {
    if (elapsed() - loggedAt < LOG_INTERVAL_MS) return;
    loggedAt = elapsed();
    // Not `pid` and `host`: pino uses these names for the current process.
    const owner = { ownerPid: pid, ownerHost: host.split(' ')[0] };
    log(logger, 'store.waiting', { store: store.location, ...owner, waitSeconds: seconds(waitLeftMs) });
  };

  const remainingMs = (): number => startedAt + waitMs - elapsed();
  /**
   * Resolves when the owner is gone or the time is up. Unlike acquiring, reading does not disturb the owner's writes.
   */
  const untilFree = async (first: StoreOwner): Promise<void> => {
    for (let owner: StoreOwner | undefined = first; owner !== undefined && remainingMs() > 0;) {
      logWait(owner, remainingMs());
      await pause(Math.min(POLL_INTERVAL_MS, remainingMs()));
      owner = await findLiveOwner(store, options);
    }
  };

  for (;;) {
    try {
      return await acquireOwnerLock(store, options);
    } catch (error) {
      const owner = ownerFromError(error);
      if (owner === undefined || waitMs === 0) throw error;
      if (remainingMs() <= 0) throw stillInUseError(error, seconds(waitMs));
      await untilFree(owner);
    }
  }
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}
