import { setTimeout as delay } from 'node:timers/promises';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import type { SealedStore } from './sealed-store.js';
import type { SealedKind } from './sealed-record.js';

/** Options of background sealing. */
export interface ResealerOptions {
  readonly logger: Logger;
  /** Throws for a record that is not of its kind. Such a record stays unchanged. */
  readonly check: Readonly<Record<SealedKind, (id: string, record: unknown) => unknown>>;
  /** Waits `milliseconds`. Rejects when stopped. @default a timer that does not keep the process alive */
  readonly wait?: ((milliseconds: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Seals records in the background. Starts once and can be stopped at any time. */
export interface Resealer {
  start(): void;
  /** Stops sealing. Nothing is written after it resolves. */
  stop(): Promise<void>;
}

/** Records rewritten at the same time, in one commit. An event may have many megabytes. */
const BATCH_SIZE: Readonly<Record<SealedKind, number>> = { subscription: 64, event: 4 };

/** Milliseconds between two batches: at most 1,280 subscriptions a second, so that other work can use the store. */
const PAUSE_MS = 50;
const RETRY_MS = 60_000;

/**
 * Seals records with the first key when they are unsealed or sealed with another key. A crash loses nothing: the next
 * start finds the remaining records.
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

  /**
   * Seals every stale record of a kind.
   *
   * @throws the first error, after the other records of its batch have settled
   */
  const sealAll = async (kind: SealedKind): Promise<void> => {
    while (sealed.stale[kind].size > 0) {
      const batch = [...take(sealed.stale[kind], BATCH_SIZE[kind])];
      const results = await Promise.allSettled(batch.map((id) => reseal(kind, id)));
      const failedReseal = results.find((result) => result.status === 'rejected');
      if (failedReseal !== undefined) throw failedReseal.reason;
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
        if (!signal.aborted) log(logger, 'sealing.delayed', { err: error });
        return false;
      }
    };
    while (!(await isDone())) await wait(RETRY_MS, signal);
    const { subscription: subscriptions, event: events, unreadable } = counts;
    log(logger, 'sealing.completed', { sealedWith: key.id, subscriptions, events, unreadable });
  };

  return {
    start: () => {
      running ??= run().catch((error: unknown) => {
        if (!signal.aborted) log(logger, 'sealing.failed', { err: error });
      });
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let remaining = count;
  for (const item of items) {
    if (remaining === 0) return;
    remaining -= 1;
    yield item;
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false });
}
