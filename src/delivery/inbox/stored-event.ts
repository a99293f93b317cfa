import { StoreError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { isDedupeKey, type DedupeKey } from '../dedupe/dedupe-key.js';
import type { EventMeta, NewEventMeta, StoringMeta } from '../message/event-meta.js';
import type { ReceivedContent } from '../message/received-content.js';
import { decodeRecord, encodeRecord, type VersionedRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;

/** More dedupe keys are not stored with an event: they are read from its content again when they are needed. */
const MAX_DEDUPE_KEYS = 1_000;

/** A run of the handler that failed. */
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
  /** Runs of the handler that have ended. A run that a crash cut off does not count. */
  readonly attempts: number;
  /** Absent before the first run: at once. */
  readonly nextAttemptAt?: number | undefined;
  /** The errors of the last runs. */
  readonly errors: readonly FailedRun[];
  /** The start of the time it is retried for, when that is later than its reception: it was replayed. */
  readonly triedSince?: number | undefined;
  /** When it became a dead letter, which is not retried. */
  readonly deadSince?: number | undefined;
  /** Why it is a dead letter; absent when its handler failed for too long. */
  readonly deadCause?: Exclude<DeadLetterCause, 'failed'> | undefined;
}

/** One object for all events without a run: thousands of them may be in memory. */
const NOT_RUN: RetryState = {
  attempts: 0,
  nextAttemptAt: undefined,
  errors: [],
  triedSince: undefined,
  deadSince: undefined,
  deadCause: undefined,
};

/**
 * Why an event was given up. `'failed'`: its handler failed until `delivery.retryForSeconds` were over. `'unrecoverable'`: its
 * handler threw `UnrecoverableEventError`. `'crashed'`: the process ended three times while its handler ran.
 */
export type DeadLetterCause = 'failed' | 'unrecoverable' | 'crashed';

/** An event as it is first stored. Its facts are completed in place: a copy would cost a sixth of a delivery's CPU. */
export function newStoredEvent(meta: NewEventMeta, content: ReceivedContent, storing: StoringMeta): StoredEvent {
  return { meta: Object.assign(meta, storing), content, retry: NOT_RUN };
}

/** The dedupe keys that are stored with an event: undefined when there are too many. */
export function storableDedupeKeys(keys: readonly DedupeKey[] | undefined): readonly DedupeKey[] | undefined {
  return keys !== undefined && keys.length <= MAX_DEDUPE_KEYS ? keys : undefined;
}

/** Bytes an event takes in the store, near enough: its content and headers. */
export function bytesOf({ content: { raw, decoded, headers } }: StoredEvent): number {
  let bytes = raw.byteLength + (decoded?.byteLength ?? 0);
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}

/** The same fields, each of them required: to leave one out is a type error. */
type Complete<T> = { readonly [Field in keyof Required<T>]: T[Field] };

/** The fields of a record of version 1: those of an event, flat, under the names they had first. */
type EventRecord = Complete<Omit<EventMeta, 'newEntryKeys' | 'dedupeKeys'> & ReceivedContent & RetryState> & {
  readonly only: EventMeta['newEntryKeys'];
  readonly pieces: EventMeta['dedupeKeys'];
};

type RunFields = 'triedSince' | 'deadSince' | 'deadCause';

/** An event for the store. */
export function encodeEvent({ meta, content, retry }: StoredEvent): VersionedRecord {
  // Each by its name: properties after a spread are slow on Node 20, as is the object they make.
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
 * An event from the store.
 *
 * @throws StoreError for one that is corrupt or of a newer version
 */
export function decodeEvent(id: string, raw: unknown): StoredEvent {
  const fields: Fields = Object(decodeRecord(VERSION, raw, {}, `event ${id}`));
  const corrupt = (): StoreError =>
    new StoreError(`The record event ${id} is corrupt: it does not hold an event. It was left as it is.`);
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

/** Reads an event back. Never rejects: what goes wrong is logged, and may be a fault of the record or of the store. */
export async function readEvent(
  store: RecordStore,
  id: string,
  logger: Pick<Logger, 'error'>,
): Promise<StoredEvent | 'unreadable' | 'not now'> {
  const unreadable = (error: unknown): void =>
    logger.error({ event: id, err: error }, 'a stored event cannot be read: left as it is');
  try {
    return (await findEvent(store, id, unreadable)) ?? 'unreadable';
  } catch (error) {
    logger.error({ event: id, err: error }, 'a stored event cannot be read now: tried again in a minute');
    return 'not now';
  }
}

/**
 * Reads an event back; undefined where the record holds none, which `onUnreadable` is told of.
 *
 * @throws StoreError where the store fails
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
