import type { StoreError } from '../../errors.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { isDedupeKey, type DedupeKey } from '../dedupe/dedupe-key.js';
import type { EventMeta, NewEventMeta, StoringMeta } from '../message/event-meta.js';
import type { ReceivedContent } from '../message/received-content.js';
import { decodeRecord, encodeRecord, type VersionedRecord } from '../../store/codec.js';
import { corruptRecordError } from '../../store/record-error.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;

/** The most dedupe keys stored with an event. Above this number they are parsed from its content again. */
const MAX_DEDUPE_KEYS = 1_000;

/** A failed run of the handler. */
export interface FailedRun {
  readonly message: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** An event that waits for its handler in the store, or is a dead letter. */
export interface StoredEvent {
  readonly meta: EventMeta;
  readonly content: ReceivedContent;
  readonly retry: RetryState;
}

/** The runs of an event's handler so far, and the next one. Times are epoch milliseconds. */
export interface RetryState {
  /** Ended runs of the handler. A run interrupted by a crash does not count. */
  readonly attempts: number;
  /** When the handler runs next. Absent before the first run, which is due at once. */
  readonly nextAttemptAt?: number | undefined;
  /** The errors of the last runs. */
  readonly errors: readonly FailedRun[];
  /** When the event was last replayed. `retryForSeconds` start then; absent: they start at its reception. */
  readonly triedSince?: number | undefined;
  /** When the event became a dead letter. A dead letter is not retried. */
  readonly deadSince?: number | undefined;
  /** Why the event is a dead letter. Absent for the cause `'failed'`. */
  readonly deadCause?: Exclude<DeadLetterCause, 'failed'> | undefined;
}

/** Shared by all events without a run, because thousands of them may be in memory. */
const NOT_RUN: RetryState = {
  attempts: 0,
  nextAttemptAt: undefined,
  errors: [],
  triedSince: undefined,
  deadSince: undefined,
  deadCause: undefined,
};

/**
 * Why an event became a dead letter. `'failed'`: the handler failed until `delivery.retryForSeconds` were over.
 * `'unrecoverable'`: the handler threw `UnrecoverableEventError`. `'crashed'`: the process ended three times while the
 * handler ran.
 */
export type DeadLetterCause = 'failed' | 'unrecoverable' | 'crashed';

/** The stored form of a new event. Sets `meta` in place: a copy would cost a sixth of a delivery's CPU time. */
export function newStoredEvent(meta: NewEventMeta, content: ReceivedContent, storing: StoringMeta): StoredEvent {
  return { meta: Object.assign(meta, storing), content, retry: NOT_RUN };
}

/** The dedupe keys to store with an event; undefined if there are too many. */
export function storableDedupeKeys(keys: readonly DedupeKey[] | undefined): readonly DedupeKey[] | undefined {
  return keys !== undefined && keys.length <= MAX_DEDUPE_KEYS ? keys : undefined;
}

/** Approximate bytes of an event in the store: its content and headers. */
export function bytesOf({ content: { raw, decoded, headers } }: StoredEvent): number {
  let bytes = raw.byteLength + (decoded?.byteLength ?? 0);
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}

/** The same fields, all required: a missing field is a type error. */
type Complete<T> = { readonly [Field in keyof Required<T>]: T[Field] };

/** A record of version 1: the fields of an event, flat, under their original names. */
type EventRecord = Complete<Omit<EventMeta, 'newEntryKeys' | 'dedupeKeys'> & ReceivedContent & RetryState> & {
  readonly only: EventMeta['newEntryKeys'];
  readonly pieces: EventMeta['dedupeKeys'];
};

type RunFields = 'triedSince' | 'deadSince' | 'deadCause';

/** Encodes an event for the store. */
export function encodeEvent({ meta, content, retry }: StoredEvent): VersionedRecord {
  // Fields are listed one by one: a spread with further properties is slow on Node 20, and so is its result.
  const record: Omit<EventRecord, RunFields> = {
    id: meta.id,
    service: meta.service,
    subscriptionId: meta.subscriptionId,
    grantId: meta.grantId,
    position: meta.position,
    receivedAt: meta.receivedAt,
    headers: content.headers,
    raw: content.raw,
    decoded: content.decoded,
    undecodable: content.undecodable,
    url: content.url,
    source: meta.source,
    only: meta.newEntryKeys,
    pieces: meta.dedupeKeys,
    isPing: meta.isPing,
    attempts: retry.attempts,
    nextAttemptAt: retry.nextAttemptAt ?? meta.receivedAt,
    errors: retry.errors,
  };
  if (retry === NOT_RUN) return encodeRecord(VERSION, record);
  const { triedSince, deadSince, deadCause } = retry;
  const afterRun: EventRecord = { ...record, triedSince, deadSince, deadCause };
  return encodeRecord(VERSION, afterRun);
}

/**
 * Decodes an event from the store.
 *
 * @throws StoreError if the record is corrupt or of a newer version
 */
export function decodeEvent(id: string, raw: unknown): StoredEvent {
  const fields: Fields = Object(decodeRecord(VERSION, raw, {}, `event ${id}`));
  const corrupt = (): StoreError => corruptRecordError(`event ${id}`, 'it does not hold an event');
  const field = <T>(name: keyof EventRecord, is: (value: unknown) => value is T): T => {
    const value = fields[name];
    if (is(value)) return value;
    throw corrupt();
  };
  const optional = <T>(name: keyof EventRecord, is: (value: unknown) => value is T): T | undefined =>
    fields[name] === undefined ? undefined : field(name, is);

  const meta: Complete<EventMeta> = {
    id: field('id', isText),
    service: field('service', isText),
    subscriptionId: field('subscriptionId', isText),
    grantId: field('grantId', isText),
    receivedAt: field('receivedAt', isFiniteNumber),
    position: optional('position', isFiniteNumber),
    source: optional('source', isFetchSource),
    newEntryKeys: optional('only', listOf(isText)),
    dedupeKeys: optional('pieces', listOf(isDedupeKey)),
    isPing: optional('isPing', isFlag),
  };
  const content: Complete<ReceivedContent> = {
    headers: field('headers', listOf(isHeader)),
    raw: field('raw', isBytes),
    url: optional('url', isUrl),
    decoded: optional('decoded', isBytes),
    undecodable: optional('undecodable', isFlag),
  };
  const retry: Complete<RetryState> = {
    attempts: field('attempts', isFiniteNumber),
    nextAttemptAt: field('nextAttemptAt', isFiniteNumber),
    errors: field('errors', listOf(isFailedRun)),
    triedSince: optional('triedSince', isFiniteNumber),
    deadSince: optional('deadSince', isFiniteNumber),
    deadCause: optional('deadCause', isDeadCause),
  };
  if (meta.id !== id) throw corrupt();
  return { meta, content, retry };
}

/** Reads an event from the store. Never rejects: logs an unreadable record or a store failure (`'not now'`). */
export async function readEvent(
  store: RecordStore,
  id: string,
  logger: Logger,
): Promise<StoredEvent | 'unreadable' | 'not now'> {
  const unreadable = (error: unknown): void => log(logger, 'event.unreadable', { eventId: id, err: error });
  try {
    return (await findEvent(store, id, unreadable)) ?? 'unreadable';
  } catch (error) {
    log(logger, 'event.read-failed', { eventId: id, err: error });
    return 'not now';
  }
}

/**
 * Reads an event from the store. If the record is not a readable event, calls `onUnreadable` and returns undefined.
 *
 * @throws StoreError if the store fails
 */
export async function findEvent(
  store: Pick<RecordStore, 'get'>,
  id: string,
  onUnreadable: (error: unknown) => void,
): Promise<StoredEvent | undefined> {
  const raw = await store.get('event', id);
  try {
    return decodeEvent(id, raw);
  } catch (error) {
    onUnreadable(error);
    return undefined;
  }
}

type Fields = { readonly [Field in keyof EventRecord]?: unknown };

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isUrl(value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value);
}

function listOf<T>(isItem: (value: unknown) => value is T): (value: unknown) => value is readonly T[] {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(isItem);
}

function isHeader(value: unknown): value is ReceivedContent['headers'][number] {
  return Array.isArray(value) && value.length === 2 && value.every(isText);
}

function isFetchSource(value: unknown): value is NonNullable<EventMeta['source']> {
  return value === 'catch-up' || value === 'poll';
}

function isFailedRun(value: unknown): value is FailedRun {
  const { message, at }: { readonly message?: unknown; readonly at?: unknown } = Object(value);
  return typeof message === 'string' && Number.isFinite(at);
}

function isDeadCause(value: unknown): value is NonNullable<RetryState['deadCause']> {
  return value === 'crashed' || value === 'unrecoverable';
}
