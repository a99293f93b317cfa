import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../logger.js';
import type { SealedStore } from './sealed-store.js';
import type { SealedKind } from './sealed-record.js';

/** How the records of a store are sealed in the background. */
export interface ResealerOptions {
  readonly logger: Logger;
  /** Throws for a record that does not hold what its kind says: it is left as it is. */
  readonly check: Readonly<Record<SealedKind, (id: string, record: unknown) => unknown>>;
  /** Waits so many milliseconds; rejects at the end. @default a timer that keeps no process up */
  readonly wait?: ((milliseconds: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Work in the background, which begins once and can be ended at any time. */
export interface Resealer {
  start(): void;
  /** Nothing more is written once it has resolved. */
  stop(): Promise<void>;
}

/** Records rewritten at the same time: they share a commit. An event may have many megabytes. */
const BATCH_SIZE: Readonly<Record<SealedKind, number>> = { subscription: 64, event: 4 };

/** Milliseconds between two groups: 1,280 subscriptions a second at most, so that others can use the store. */
const PAUSE_MS = 50;
const RETRY_MS = 60_000;

/**
 * Seals with the first key what was found unsealed, or sealed with another one. A crash costs nothing: the next start finds
 * the records that are left.
 */
export function createResealer(sealed: SealedStore, options: ResealerOptions): Resealer {
  const { logger, check, wait = pause } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const counts = { subscription: 0, event: 0, unreadable: 0 };
  let running: Promise<void> | undefined;

  const reseal = async (kind: SealedKind, id: string): Promise<void> => {
    const outcome = await sealed.reseal(kind, id, (record) => void check[kind](id, record));
    if (outcome === 'sealed') counts[kind] += 1;
    else if (outcome === 'unreadable') counts.unreadable += 1;
  };

  /** Goes through all that are left. @throws what the first failed with, after the others of its group have ended */
  const sealAll = async (kind: SealedKind): Promise<void> => {
    while (sealed.stale[kind].size > 0) {
      const group = [...take(sealed.stale[kind], BATCH_SIZE[kind])];
      const ended = await Promise.allSettled(group.map((id) => reseal(kind, id)));
      const failure = ended.find((each) => each.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
      await wait(PAUSE_MS, signal);
    }
  };

  const run = async (): Promise<void> => {
    const { key, stale } = sealed;
    if (key === undefined || stale.subscription.size + stale.event.size === 0) return;
    const isDone = async (): Promise<boolean> => {
      try {
        await sealAll('subscription');
        await sealAll('event');
        return true;
      } catch (error) {
        if (!signal.aborted)
          logger.warn({ err: error }, 'stored records cannot be sealed now: tried again in a minute');
        return false;
      }
    };
    while (!(await isDone())) await wait(RETRY_MS, signal);
    const { subscription: subscriptions, event: events, unreadable } = counts;
    logger.info({ sealedWith: key.id, subscriptions, events, unreadable }, 'the stored records are sealed');
  };

  return {
    start: () => {
      running ??= run().catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, 'sealing stored records failed: the next start goes on');
      });
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const item of items) {
    if (left === 0) return;
    left -= 1;
    yield item;
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false });
}
