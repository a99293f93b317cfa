import { StoreError, type WebSubError } from '../errors.js';
import type { Urgency } from './lmdb/group-commit.js';
import { idOfKey, kindPrefix, recordKey } from './record-key.js';
import type { ListOptions, ExchangeResult, RecordKind, RecordStore } from './record-store.js';
import { toStoreError } from './store-error.js';

/**
 * The operations every store backend provides, by key. A backend throws its own errors; the record store wraps them.
 */
export interface RecordBackend {
  /** The name in messages and logs: absolute, passwords masked. */
  readonly location: string;
  /** Secrets to mask in messages. */
  readonly secrets: readonly string[];
  readonly durable: boolean;
  read(key: string): Promise<unknown>;
  write(key: string, value: unknown): Promise<void>;
  /** Writes several keys, in one transaction. An undefined value removes its key. Present if the store has transactions. */
  readonly writeAll?: (rows: readonly (readonly [key: string, value: unknown])[]) => Promise<void>;
  /** @param urgency `'soon'`: the removal may share the commit of the next write. */
  remove(key: string, urgency?: Urgency): Promise<void>;
  /** Every key with this prefix, and a function that reads its value (undefined when the row is gone by then). */
  rows(prefix: string): AsyncIterable<BackendRow> | Iterable<BackendRow>;
  /** Present when the store has transactions. An error thrown by `decide` aborts the transaction. */
  readonly exchange?: (key: string, decide: (current: unknown) => ExchangeResult) => Promise<void>;
  /** The known reason why the store cannot be used; undefined when there is none. Checking it performs no operation. */
  readonly problem?: () => string | undefined;
  disconnect(): Promise<void>;
}

/** A listed row. `read` returns a promise when reading the value needs the store. */
export type BackendRow = readonly [key: string, read: () => unknown];

/** Implements the records of a namespace on any backend: keys, errors and closing work the same for all. */
export function createRecordStore(backend: RecordBackend, namespace: string): RecordStore {
  const { location, secrets, exchange, problem } = backend;
  let closing: Promise<void> | undefined;

  const failure = (summary: string, cause: unknown): WebSubError =>
    toStoreError(`${summary} in ${location}`, cause, secrets);

  const attempt = async <T>(
    action: string,
    kind: RecordKind,
    id: string,
    act: (key: string) => Promise<T>,
  ): Promise<T> => {
    if (closing !== undefined) {
      throw new StoreError(`The record ${kind} ${id} could not be ${action}: the store ${location} is closed.`);
    }
    const key = recordKey(namespace, kind, id);
    try {
      return await act(key);
    } catch (cause) {
      throw failure(`The record ${kind} ${id} could not be ${action}`, cause);
    }
  };

  const writeInOrder = async (rows: readonly (readonly [key: string, value: unknown])[]): Promise<void> => {
    for (const [key, value] of rows) await (value === undefined ? backend.remove(key) : backend.write(key, value));
  };

  return {
    location,
    durable: backend.durable,
    get: (kind, id) => attempt('read', kind, id, (key) => backend.read(key)),
    set: (kind, id, value) => attempt('written', kind, id, (key) => backend.write(key, value)),
    write: async (changes) => {
      const rows = changes.map(({ kind, id, value }) => [recordKey(namespace, kind, id), value] as const);
      const [main] = changes.slice(-1);
      if (main === undefined) return;
      await attempt('written', main.kind, main.id, () => (backend.writeAll ?? writeInOrder)(rows));
    },
    delete: (kind, id, urgency) => attempt('deleted', kind, id, (key) => backend.remove(key, urgency)),

    ...(exchange && {
      exchange: (kind, id, decide) => attempt('exchanged', kind, id, (key) => exchange(key, decide)),
    }),

    ...(problem && {
      failure: () => {
        const message = problem();
        return message === undefined ? undefined : new StoreError(`The store ${location} cannot be used: ${message}.`);
      },
    }),

    async *list(kind: RecordKind, { onUnreadable }: ListOptions = {}) {
      const prefix = kindPrefix(namespace, kind);
      const unreadable: WebSubError[] = [];
      try {
        if (closing !== undefined)
          throw new StoreError(`The ${kind} records could not be listed: the store ${location} is closed.`);
        for await (const [key, read] of backend.rows(prefix)) {
          const id = idOfKey(key, prefix);
          let value: unknown;
          try {
            value = await read();
          } catch (cause) {
            const error = failure(`The record ${kind} ${id} could not be read`, cause);
            if (onUnreadable === undefined) unreadable.push(error);
            else onUnreadable(error);
          }
          if (value !== undefined) yield [id, value] as const;
        }
      } catch (cause) {
        throw failure(`The ${kind} records could not be listed`, cause);
      }
      if (unreadable.length > 0) throw incompleteListError(kind, unreadable);
    },

    close: () => (closing ??= backend.disconnect()),
  };
}

/** The error thrown at the end of a listing that skipped unreadable records. */
export function incompleteListError(kind: RecordKind, unreadable: readonly WebSubError[]): StoreError {
  const [first] = unreadable;
  const others = unreadable.length === 1 ? '' : ` (and ${unreadable.length - 1} more ${kind} records)`;
  return new StoreError(`${first?.message}${others}`, { cause: new AggregateError(unreadable) });
}
