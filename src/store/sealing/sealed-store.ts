import { StoreError, type WebSubError } from '../../errors.js';
import { UnreadableRecord } from '../codec.js';
import type { ListOptions, RecordKind, RecordStore } from '../record-store.js';
import { incompleteListError } from '../create-record-store.js';
import type { SealKey } from './seal-key.js';
import { isSealedKind, openRecord, sealRecord, type SealedKind } from './sealed-record.js';
import { toStoreError } from '../store-error.js';

/** A store whose records are sealed as they are written and opened as they are read. */
export interface SealedStore {
  /** `get` gives an {@link UnreadableRecord} for a sealed record that was tampered with. */
  readonly records: RecordStore;
  /** The first key, which seals; undefined where there is none and records are written as they are. */
  readonly key: SealKey | undefined;
  /** Ids of the records that were listed, are not sealed with the first key, and were not written since. */
  readonly stale: Readonly<Record<SealedKind, ReadonlySet<string>>>;
  /**
   * Seals one of these with the first key. A write to it that comes meanwhile waits, so nothing newer is overwritten.
   *
   * @param check throws for what holds no such record: that is left as it is
   * @throws StoreError where the store fails; the record is stale still
   */
  reseal(kind: SealedKind, id: string, check: (record: unknown) => void): Promise<'sealed' | 'unreadable' | 'gone'>;
}

/** Seals a store with the first of the keys; each of them opens. Without a key, sealed records are refused all the same. */
export function sealedStore(store: RecordStore, keys: readonly SealKey[]): SealedStore {
  const [sealKey] = keys;
  const byId = new Map(keys.map((key) => [key.id, key]));
  const stale = { subscription: new Set<string>(), event: new Set<string>() };
  const resealsInFlight = new Map<string, Promise<unknown>>();

  const sealed = (kind: RecordKind, id: string, value: unknown): unknown => {
    if (sealKey === undefined || !isSealedKind(kind)) return value;
    try {
      return sealRecord(sealKey, kind, id, value);
    } catch (cause) {
      throw toStoreError(`The record ${kind} ${id} could not be sealed`, cause);
    }
  };

  const opened = (kind: RecordKind, id: string, raw: unknown): OpenedRecord => {
    const found = isSealedKind(kind) ? openRecord(byId, kind, id, raw) : undefined;
    if (found === undefined) return { value: raw, isFresh: sealKey === undefined || !isSealedKind(kind) };
    if (found.type === 'unknown-key') throw missingKeyError(store.location, `${kind} ${id}`, found.keyId, keys);
    if (found.type === 'broken') return { error: brokenSealError(`${kind} ${id}`, found.why, found.cause) };
    return { value: found.value, isFresh: found.keyId === sealKey?.id };
  };

  /** A record that is written or deleted by others is not stale any more, and comes after a rewriting under way. */
  const afterReseal = <T>(kind: RecordKind, id: string, act: () => Promise<T>): Promise<T> => {
    if (!isSealedKind(kind)) return act();
    stale[kind].delete(id);
    const before = resealsInFlight.size === 0 ? undefined : resealsInFlight.get(`${kind} ${id}`);
    return before === undefined ? act() : before.then(act, act);
  };

  const { exchange } = store;
  const records: RecordStore = {
    ...store,
    // A record that was tampered with is as good as one that cannot be decoded: the store itself does not fail.
    get: async (kind, id) => {
      const found = opened(kind, id, await store.get(kind, id));
      return 'error' in found ? new UnreadableRecord(found.error) : found.value;
    },
    // Without a key writes cost what they cost before.
    ...(sealKey && {
      set: async (kind, id, value) => {
        const written = sealed(kind, id, value);
        return afterReseal(kind, id, () => store.set(kind, id, written));
      },
      delete: (kind, id, urgency) => afterReseal(kind, id, () => store.delete(kind, id, urgency)),
    }),

    ...(exchange && {
      exchange: (kind, id, decide) =>
        afterReseal(kind, id, () =>
          exchange(kind, id, (current) => {
            const found = opened(kind, id, current);
            if ('error' in found) throw found.error;
            const result = decide(found.value);
            return typeof result === 'string' ? result : { set: sealed(kind, id, result.set) };
          }),
        ),
    }),

    async *list(kind: RecordKind, { onUnreadable }: ListOptions = {}) {
      const unreadable: WebSubError[] = [];
      const tell = onUnreadable ?? ((error: WebSubError): void => void unreadable.push(error));
      for await (const [id, raw] of store.list(kind, { onUnreadable: tell })) {
        const found = opened(kind, id, raw);
        if ('error' in found) {
          tell(found.error);
          continue;
        }
        if (!found.isFresh && isSealedKind(kind)) stale[kind].add(id);
        yield [id, found.value] as const;
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
        const value = readable(opened(kind, id, raw), check);
        if (value === undefined) return 'unreadable';
        await store.set(kind, id, sealed(kind, id, value));
        return 'sealed';
      };
      const key = `${kind} ${id}`;
      const ended = rewrite().finally(() => resealsInFlight.delete(key));
      resealsInFlight.set(key, ended);
      const outcome = await ended;
      stale[kind].delete(id);
      return outcome;
    },
  };
}

/** The record as it was written, or why it cannot be read. */
type OpenedRecord = { readonly value: unknown; readonly isFresh: boolean } | { readonly error: StoreError };

function readable(found: OpenedRecord, check: (record: unknown) => void): unknown {
  if ('error' in found) return undefined;
  try {
    check(found.value);
    return found.value;
  } catch {
    return undefined;
  }
}

function missingKeyError(location: string, record: string, keyId: string, keys: readonly SealKey[]): StoreError {
  const given = keys.map(({ id }) => id).join(', ');
  const which = given === '' ? 'no key was given' : `the keys given are others (${given})`;
  return new StoreError(
    `The store ${location} is sealed: the record ${record} needs the seal key ${keyId}, and ${which}. Set that key with ` +
      'security.sealKey or the environment variable WEBSUB_SEAL_KEY. Of several keys the first seals, and each opens.',
  );
}

function brokenSealError(record: string, why: string, cause: unknown): StoreError {
  const message = `The sealed record ${record} cannot be opened: ${why}. It was left as it is.`;
  return new StoreError(message, cause === undefined ? {} : { cause });
}
