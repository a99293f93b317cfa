import type { StoreError, WebSubError } from '../errors.js';
import type { Urgency } from './lmdb/group-commit.js';

/** The kind of a record. Kind and id make the key. */
export type RecordKind = 'subscription' | 'stats' | 'history' | 'event' | 'seen' | 'alive' | 'marker' | 'owner';

/** A record to write, or to remove. */
export interface RecordChange {
  readonly kind: RecordKind;
  readonly id: string;
  /** Undefined removes the record. */
  readonly value: unknown;
}

/** The result of an exchange: a new value, a removal, or no change. */
export type ExchangeResult = { readonly set: unknown } | 'delete' | 'keep';

/** Options of {@link RecordStore.list}. */
export interface ListOptions {
  /**
   * Called for each unreadable record. The error message names kind and id. Without it, the listing still yields every
   * other record and then throws.
   */
  readonly onUnreadable?: ((error: WebSubError) => void) | undefined;
}

/**
 * Stores records by kind and id, independent of the store behind it. A value is plain data: JSON values with
 * well-formed strings, plus `Uint8Array` anywhere inside. Undefined properties may be missing when the value is read
 * back. Every method rejects with a `StoreError` when the store fails, so an outage never looks like an absent record.
 */
export interface RecordStore {
  /** The store's location for the log: passwords masked, paths absolute. */
  readonly location: string;
  /** Whether records survive the process. */
  readonly durable: boolean;
  /** Resolves to the value, or undefined when there is no record. */
  get(kind: RecordKind, id: string): Promise<unknown>;
  /** Writes the value, replacing an existing one. Resolves when the value is safely stored. */
  set(kind: RecordKind, id: string, value: unknown): Promise<void>;
  /**
   * Writes and removes several records. A store with transactions makes all changes or none. Another store makes them in
   * order, and stops at the first that fails.
   */
  write(changes: readonly RecordChange[]): Promise<void>;
  /**
   * Removes the record if it exists.
   *
   * @param urgency `'soon'`: if the store can, the removal shares the commit of the next write, or commits within a few
   *   milliseconds. A crash before that leaves the record. @default 'now'
   */
  delete(kind: RecordKind, id: string, urgency?: Urgency): Promise<void>;
  /**
   * Lists every record of a kind, in no particular order. Streams them when the store can. Records written or deleted
   * meanwhile may or may not be included.
   */
  list(kind: RecordKind, options?: ListOptions): AsyncIterable<readonly [id: string, value: unknown]>;
  /**
   * Reads and replaces a record in one transaction, which also excludes other processes. Present only when the store
   * has transactions. A `StoreError` thrown by `decide` leaves the record unchanged and rejects the promise.
   */
  readonly exchange?: (kind: RecordKind, id: string, decide: (current: unknown) => ExchangeResult) => Promise<void>;
  /**
   * Returns why the store cannot be used, as of its last operation; undefined when it can. Costs nothing while the
   * store works. Present only when a store can be lost without a failing operation, such as by deleting its file.
   */
  readonly failure?: () => StoreError | undefined;
  /** Closes the store and every handle. Idempotent; every later operation rejects. */
  close(): Promise<void>;
}
