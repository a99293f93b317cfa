import { log } from '../../log-events.js';
import type { EngineContext } from '../../engine/engine-context.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { Counters, StoredStats } from './counters.js';

const VERSION = 1;

/** The subscriptions in memory, by id. */
type CountedSubscriptions = ReadonlyMap<string, { readonly counters: Counters }>;

/**
 * The stored counters of subscriptions, each in a record of its own. It holds what was counted since the subscription's
 * record was first written, which may have counts of an earlier version. A write never touches that record.
 */
export class StatsRecords {
  readonly #context: EngineContext;
  readonly #subscriptions: CountedSubscriptions;
  /** Ids of subscriptions with unsaved counters. */
  readonly changed = new Set<string>();

  constructor(context: EngineContext, subscriptions: CountedSubscriptions) {
    this.#context = context;
    this.#subscriptions = subscriptions;
  }

  /** Adds the stored counts to the counters of loaded subscriptions. Unreadable counts are logged, and left out. */
  async load(): Promise<void> {
    const { store, logger } = this.#context;
    const onUnreadable = (error: unknown): void => log(logger, 'counters.unreadable', { err: error });
    for await (const [id, raw] of store.list('stats', { onUnreadable })) {
      try {
        this.#subscriptions.get(id)?.counters.restore(decodeStats(id, raw));
      } catch (error) {
        onUnreadable(error);
      }
    }
  }

  /**
   * Stores changed counters.
   *
   * @throws StoreError of the first failed write; the other writes are still made
   */
  async flush(): Promise<void> {
    const ids = [...this.changed];
    this.changed.clear();
    const write = async (id: string): Promise<void> => {
      const counters = this.#subscriptions.get(id)?.counters;
      if (counters === undefined) return;
      try {
        await this.#context.store.set('stats', id, encodeRecord(VERSION, { counts: counters.sinceBase() }));
      } catch (error) {
        this.changed.add(id);
        throw error;
      }
    };
    const results = await Promise.allSettled(ids.map(write));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}

/** @throws StoreError if the value was written by a newer version; Error if it is damaged */
function decodeStats(id: string, raw: unknown): StoredStats {
  const data = decodeRecord(VERSION, raw, {}, `stats ${id}`);
  const { counts }: { readonly counts?: unknown } = Object(data);
  if (isRecord(counts) && isStats(counts)) return counts;
  throw new Error(`The record stats ${id} is corrupt: it must hold numbers by counter. The counters start at zero.`);
}

function isStats(counts: Readonly<Record<string, unknown>>): counts is Readonly<Record<string, unknown>> & StoredStats {
  const isCounted = ['received', 'rejected', 'delivered', 'failed'].every((name) => typeof counts[name] === 'number');
  return isCounted && Object.values(counts).every((count) => count === undefined || Number.isFinite(count));
}
