import type { StoreError, WebSubError } from '../../errors.js';
import { UnreadableRecord } from '../codec.js';
import type { ListOptions, RecordKind, RecordStore } from '../record-store.js';
import { incompleteListError } from '../create-record-store.js';
import { brokenSealError, missingKeyError } from './seal-error.js';
import type { SealKey } from './seal-key.js';
import { isSealedKind, openRecord, sealRecord, type SealedKind } from './sealed-record.js';
import { toStoreError } from '../store-error.js';

/** A store that seals records on write and opens them on read. */
export interface SealedStore {
  /** `get` returns an {@link UnreadableRecord} for a damaged sealed record, and throws when its key is missing. */
  readonly records: RecordStore;
  /** The first key, which seals; undefined when there is none and records are written unsealed. */
  readonly key: SealKey | undefined;
  /** Ids of listed records that still need resealing with the first key. */
  readonly stale: Readonly<Record<SealedKind, ReadonlySet<string>>>;
  /**
   * Seals a stale record with the first key. A write to the record waits meanwhile, so newer data is never overwritten.
   *
   * @param check throws for a record that is not of its kind; it stays unchanged
   * @returns `'gone'` also when the record was rewritten meanwhile, and so is no longer stale
   * @throws StoreError when the store fails; the record stays stale
   */
  reseal(kind: SealedKind, id: string, check: (record: unknown) => void): Promise<'sealed' | 'unreadable' | 'gone'>;
}

/** Wraps a store: the first key seals, every key opens. Without keys, reading a sealed record throws. */
export function sealedStore(store: RecordStore, keys: readonly SealKey[]): SealedStore {
  const [sealKey] = keys;
  const keyIds = keys.map(({ id }) => id);
  const byId = new Map(keys.map((key) => [key.id, key]));
  const stale = { subscription: new Set<string>(), event: new Set<string>() };
  const resealsInFlight = new Map<string, Promise<unknown>>();

  const sealValue = (kind: RecordKind, id: string, value: unknown): unknown => {
    if (sealKey === undefined || !isSealedKind(kind)) return value;
    try {
      return sealRecord(sealKey, kind, id, value);
    } catch (cause) {
      throw toStoreError(`The record ${kind} ${id} could not be sealed`, cause);
    }
  };

  const openStored = (kind: RecordKind, id: string, raw: unknown): OpenedRecord => {
    const result = isSealedKind(kind) ? openRecord(byId, kind, id, raw) : undefined;
    if (result === undefined) return { value: raw, isFresh: sealKey === undefined || !isSealedKind(kind) };
    if (result.type === 'unknown-key') throw missingKeyError(store.location, `${kind} ${id}`, result.keyId, keyIds);
    if (result.type === 'broken') return { error: brokenSealError(`${kind} ${id}`, result.why, result.cause) };
    return { value: result.value, isFresh: result.keyId === sealKey?.id };
  };

  /** Marks a record as not stale, and runs `act` after a reseal of the record that is in flight. */
  const afterReseal = <T>(kind: RecordKind, id: string, act: () => Promise<T>): Promise<T> => {
    if (!isSealedKind(kind)) return act();
    stale[kind].delete(id);
    const pendingReseal = resealsInFlight.size === 0 ? undefined : resealsInFlight.get(`${kind} ${id}`);
    return pendingReseal === undefined ? act() : pendingReseal.then(act, act);
  };

  const { exchange } = store;
  const records: RecordStore = {
    ...store,
    // The store works, so a damaged record counts as unreadable and does not throw.
    get: async (kind, id) => {
      const opened = openStored(kind, id, await store.get(kind, id));
      return 'error' in opened ? new UnreadableRecord(opened.error) : opened.value;
    },
    // Without a key, writes take the direct path.
    ...(sealKey && {
      set: async (kind, id, value) => {
        const written = sealValue(kind, id, value);
        return afterReseal(kind, id, () => store.set(kind, id, written));
      },
      write: async (changes) => {
        const written = changes.map((change) =>
          change.value === undefined ? change : { ...change, value: sealValue(change.kind, change.id, change.value) },
        );
        const write = (): Promise<void> => store.write(written);
        await changes.reduce(
          (act, { kind, id }) =>
            () =>
              afterReseal(kind, id, act),
          write,
        )();
      },
      delete: (kind, id, urgency) => afterReseal(kind, id, () => store.delete(kind, id, urgency)),
    }),

    ...(exchange && {
      exchange: (kind, id, decide) =>
        afterReseal(kind, id, () =>
          exchange(kind, id, (current) => {
            const opened = openStored(kind, id, current);
            if ('error' in opened) throw opened.error;
            const result = decide(opened.value);
            return typeof result === 'string' ? result : { set: sealValue(kind, id, result.set) };
          }),
        ),
    }),

    async *list(kind: RecordKind, { onUnreadable }: ListOptions = {}) {
      const unreadable: WebSubError[] = [];
      const report = onUnreadable ?? ((error: WebSubError): void => void unreadable.push(error));
      for await (const [id, raw] of store.list(kind, { onUnreadable: report })) {
        const opened = openStored(kind, id, raw);
        if ('error' in opened) {
          report(opened.error);
          continue;
        }
        if (!opened.isFresh && isSealedKind(kind)) stale[kind].add(id);
        yield [id, opened.value] as const;
      }
      if (unreadable.length > 0) throw incompleteListError(kind, unreadable);
    },
  };

  return {
    records,
    key: sealKey,
    stale,
    async reseal(kind, id, check) {
      if (!stale[kind].has(id)) return 'gone';
      const rewrite = async (): Promise<'sealed' | 'unreadable' | 'gone'> => {
        const raw = await store.get(kind, id);
        if (raw === undefined) return 'gone';
        const value = readable(openStored(kind, id, raw), check);
        if (value === undefined) return 'unreadable';
        await store.set(kind, id, sealValue(kind, id, value));
        return 'sealed';
      };
      const key = `${kind} ${id}`;
      const resealing = rewrite().finally(() => resealsInFlight.delete(key));
      resealsInFlight.set(key, resealing);
      const outcome = await resealing;
      stale[kind].delete(id);
      return outcome;
    },
  };
}

/** The original record, or the reason why it cannot be read. */
type OpenedRecord = { readonly value: unknown; readonly isFresh: boolean } | { readonly error: StoreError };

function readable(opened: OpenedRecord, check: (record: unknown) => void): unknown {
  if ('error' in opened) return undefined;
  try {
    check(opened.value);
    return opened.value;
  } catch {
    return undefined;
  }
}
