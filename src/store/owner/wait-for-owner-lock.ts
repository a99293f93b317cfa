import { setTimeout as delay } from 'node:timers/promises';
import { StoreError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { acquireOwner, livingOwner, ownerNamedBy, type AcquireOwnerOptions, type OwnerLock } from './owner-lock.js';
import type { StoreOwner } from './owner-record.js';
import type { RecordStore } from '../record-store.js';

/** Milliseconds between two looks at who owns the store. A look is one read. */
const LOOK_MS = 100;

/** Milliseconds between two log lines while the wait lasts. */
const TELL_MS = 60_000;

/** How long to wait for a store's owner, and where to log it. */
export interface WaitOptions {
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
 * Makes this process the store's only owner, as {@link acquireOwner} does, once another owner has released the store or
 * died.
 *
 * @throws StoreError naming the owner, when one still lives after `waitMs`; whatever else `acquireOwner` throws, at once
 */
export async function waitForOwner(
  store: RecordStore,
  options: AcquireOwnerOptions,
  { waitMs, logger, elapsed = () => performance.now(), pause = delay }: WaitOptions,
): Promise<OwnerLock> {
  const begun = elapsed();
  let toldAt = -Infinity;
  const tell = ({ pid, host }: StoreOwner, leftMs: number): void => {
    if (elapsed() - toldAt < TELL_MS) return;
    toldAt = elapsed();
    // Not `pid` and `host`: pino writes this process's own under such names.
    const owner = { ownerPid: pid, ownerHost: host.split(' ')[0] };
    logger.info(
      { store: store.location, ...owner },
      `the store is in use by process ${pid} on ${owner.ownerHost}: waiting up to ${seconds(leftMs)} s for it`,
    );
  };

  const left = (): number => begun + waitMs - elapsed();
  /** Resolves when the owner is gone, or the time is up. Reading does not disturb its writes, as acquiring would. */
  const untilFree = async (first: StoreOwner): Promise<void> => {
    for (let owner: StoreOwner | undefined = first; owner !== undefined && left() > 0;) {
      tell(owner, left());
      await pause(Math.min(LOOK_MS, left()));
      owner = await livingOwner(store, options);
    }
  };

  for (;;) {
    try {
      return await acquireOwner(store, options);
    } catch (error) {
      const owner = ownerNamedBy(error);
      if (owner === undefined || waitMs === 0) throw error;
      if (left() <= 0) throw stillInUse(error, waitMs);
      await untilFree(owner);
    }
  }
}

function stillInUse(error: unknown, waitMs: number): StoreError {
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError(`${message} It was not given up within ${seconds(waitMs)} s (waitForStoreSeconds).`, {
    cause: error,
  });
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}
