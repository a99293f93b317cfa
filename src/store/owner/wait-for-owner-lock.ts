import { setTimeout as delay } from 'node:timers/promises';
import { StoreError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import {
  acquireOwnerLock,
  findLiveOwner,
  ownerFromError,
  type AcquireOwnerLockOptions,
  type OwnerLock,
} from './owner-lock.js';
import type { StoreOwner } from './owner-record.js';
import type { RecordStore } from '../record-store.js';

/** Milliseconds between two looks at who owns the store. A look is one read. */
const POLL_INTERVAL_MS = 100;

/** Milliseconds between two log lines while the wait lasts. */
const LOG_INTERVAL_MS = 60_000;

/** How long to wait for a store's owner, and where to log it. */
export interface OwnerLockWaitOptions {
  /** Milliseconds; 0 does not wait. */
  readonly waitMs: number;
  /** Gets a line when the wait begins, and at most one a minute after that. */
  readonly logger: Logger;
  /** Milliseconds, of a clock that is never set back. @default performance.now */
  readonly elapsed?: (() => number) | undefined;
  /** @default a timer */
  readonly pause?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

/**
 * Makes this process the store's only owner, as {@link acquireOwnerLock} does, once another owner has released the store or
 * died.
 *
 * @throws StoreError naming the owner, when one still lives after `waitMs`; whatever else `acquireOwner` throws, at once
 */
export async function waitForOwnerLock(
  store: RecordStore,
  options: AcquireOwnerLockOptions,
  { waitMs, logger, elapsed = () => performance.now(), pause = delay }: OwnerLockWaitOptions,
): Promise<OwnerLock> {
  const startedAt = elapsed();
  let loggedAt = -Infinity;
  const logWait = ({ pid, host }: StoreOwner, leftMs: number): void => {
    if (elapsed() - loggedAt < LOG_INTERVAL_MS) return;
    loggedAt = elapsed();
    // Not `pid` and `host`: pino writes this process's own under such names.
    const owner = { ownerPid: pid, ownerHost: host.split(' ')[0] };
    logger.info(
      { store: store.location, ...owner },
      `the store is in use by process ${pid} on ${owner.ownerHost}: waiting up to ${seconds(leftMs)} s for it`,
    );
  };

  const remainingMs = (): number => startedAt + waitMs - elapsed();
  /** Resolves when the owner is gone, or the time is up. Reading does not disturb its writes, as acquiring would. */
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
      if (remainingMs() <= 0) throw stillInUseError(error, waitMs);
      await untilFree(owner);
    }
  }
}

function stillInUseError(error: unknown, waitMs: number): StoreError {
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError(`${message} It was not given up within ${seconds(waitMs)} s (waitForStoreSeconds).`, {
    cause: error,
  });
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}
