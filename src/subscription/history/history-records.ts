import { log } from '../../log-events.js';
import type { EngineContext } from '../../engine/engine-context.js';
import { isRecord } from '../../protocol/encoding/is-record.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordChange } from '../../store/record-store.js';
import type { HookEffect } from '../machine/hook-effect.js';
import type { NamedEffect } from '../machine/transition-types.js';
import type { SubscriptionRecord } from '../record/record.js';
import { historyEntry, withEntry, type HistoryEntry } from './history.js';

const VERSION = 1;

/** Histories kept in memory, because a request and its verification follow each other. */
const MAX_CACHED = 256;

/** The stored histories of subscriptions. Each is read only when it changes or is asked for. */
export class HistoryRecords {
  readonly #context: EngineContext;
  /** By subscription id, the one used longest ago first. */
  readonly #cache = new Map<string, readonly HistoryEntry[]>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** A new subscription has no history yet. */
  onCreated(id: string): void {
    this.#keep(id, []);
  }

  /**
   * The change that adds a transition's hooks to the history. Undefined if it has none. Once the change is stored, call
   * the returned function.
   *
   * @throws StoreError if the store fails
   */
  async changeFor(
    record: SubscriptionRecord,
    effects: readonly NamedEffect[],
  ): Promise<{ readonly change: RecordChange; readonly onStored: () => void } | undefined> {
    const hooks = effects.filter(isHook);
    if (hooks.length === 0) return undefined;
    const { id } = record;
    const at = this.#context.now();
    const entries = hooks.reduce(
      (history, hook) => withEntry(history, historyEntry(record, hook, at)),
      this.#cache.get(id) ?? (await this.read(id)),
    );
    const change = { kind: 'history', id, value: encodeRecord(VERSION, { entries }) } as const;
    return { change, onStored: () => this.#keep(id, entries) };
  }

  /**
   * The history of a subscription, oldest first. A damaged one is logged, and counts as empty.
   *
   * @throws StoreError if the store fails
   */
  async read(id: string): Promise<readonly HistoryEntry[]> {
    const { store, logger } = this.#context;
    const raw = await store.get('history', id);
    if (raw === undefined) return [];
    try {
      return decodeHistory(id, raw);
    } catch (error) {
      log(logger, 'history.unreadable', { subscription: id, err: error });
      return [];
    }
  }

  onRemoved(id: string): void {
    this.#cache.delete(id);
  }

  #keep(id: string, entries: readonly HistoryEntry[]): void {
    this.#cache.delete(id);
    this.#cache.set(id, entries);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > MAX_CACHED && oldest !== undefined) this.#cache.delete(oldest);
  }
}

function isHook(effect: NamedEffect): effect is HookEffect {
  return effect.type === 'hook';
}

/** @throws StoreError if the value was written by a newer version; Error if it is damaged */
function decodeHistory(id: string, raw: unknown): readonly HistoryEntry[] {
  const data = decodeRecord(VERSION, raw, {}, `history ${id}`);
  const { entries }: { readonly entries?: unknown } = Object(data);
  if (Array.isArray(entries) && entries.every(isEntry)) return entries;
  throw new Error(`The record history ${id} is corrupt: it must hold a list of entries with times and events.`);
}

function isEntry(value: unknown): value is HistoryEntry {
  return isRecord(value) && Number.isFinite(value['at']) && typeof value['event'] === 'string';
}
