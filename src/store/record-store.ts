import type { StoreError, WebSubError } from '../errors.js';
import type { Urgency } from './lmdb/group-commit.js';

/** What a record is about; with its id it makes the key. */
export type RecordKind = 'subscription' | 'event' | 'seen' | 'alive' | 'marker' | 'owner';

/** What an exchange leaves behind: a new value, nothing, or what was there. */
export type ExchangeResult = { readonly set: unknown } | 'delete' | 'keep';

/** Where {@link RecordStore.list} reports what it could not read. */
export interface ListOptions {
  /**
   * Called for each record that cannot be read; its message names kind and id. Without it the enumeration still hands
   * over every other record and then throws.
   */
  readonly onUnreadable?: ((error: WebSubError) => void) | undefined;
}

/**
 * Records by kind and id, whatever store lies underneath. A value is plain data: what JSON can say in well-formed strings,
 * plus `Uint8Array` anywhere inside; properties that are undefined may be gone when it is read back. Every method rejects with a
 * `StoreError` when the store fails; an outage never looks like an absent record.
 */
export interface RecordStore {
  /** Where the records lie, for the log: passwords masked, paths absolute. */
  readonly location: string;
  /** Whether records survive the process. */
  readonly durable: boolean;
  /** The value, or undefined where there is none. */
  get(kind: RecordKind, id: string): Promise<unknown>;
  /** Resolves when the value is safe in the store; replaces what was there. */
  set(kind: RecordKind, id: string, value: unknown): Promise<void>;
  /**
   * Removes the record; nothing happens where there is none.
   *
   * @param urgency `'soon'`: not for itself alone, where the store can have it come along with the next write, or within a
   *   few milliseconds. A crash until then leaves the record. @default 'now'
   */
  delete(kind: RecordKind, id: string, urgency?: Urgency): Promise<void>;
  /**
   * Every record of a kind, in no particular order, without loading all of them at once where the store can stream.
   * Records written or deleted meanwhile may or may not be among them.
   */
  list(kind: RecordKind, options?: ListOptions): AsyncIterable<readonly [id: string, value: unknown]>;
  /**
   * Reads and replaces a record in one transaction, against other processes too. Present only where the store can; a
   * `StoreError` thrown by `decide` leaves the record as it is and is what the promise rejects with.
   */
  readonly exchange?: (kind: RecordKind, id: string, decide: (current: unknown) => ExchangeResult) => Promise<void>;
  /**
   * Why the store cannot be used, as far as its last operation has shown; undefined where it can. Costs nothing while all is
   * well. Present only where a store can be lost without an operation that fails, such as a file that is deleted.
   */
  readonly failure?: () => StoreError | undefined;
  /** Lets go of the store: no open handle is left. Idempotent; everything else rejects from then on. */
  close(): Promise<void>;
}
