import { StoreError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { isPiece, type Piece } from '../dedupe/piece.js';
import type { EventSource } from '../message/received-content.js';
import type { Reception } from '../report.js';
import { decodeRecord, encodeRecord, type VersionedRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;

/** More are not stored with an event: they are read from it again when they are needed. */
const MOST_PIECES = 1_000;

/** A run of the handler that failed. */
export interface FailedRun {
  readonly message: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** An event that waits for its handler in the store. Times are epoch milliseconds. */
export interface StoredEvent {
  readonly id: string;
  readonly service: string;
  readonly subscriptionId: string;
  readonly grantId: string;
  readonly receivedAt: number;
  /** Its place in the order of reception, which no clock disturbs; the inbox gives it. */
  readonly position?: number | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly raw: Uint8Array;
  readonly decoded?: Uint8Array | undefined;
  readonly undecodable?: boolean | undefined;
  /** The URL it was read from, where it was fetched. */
  readonly url?: string | undefined;
  /** Where it was fetched from the topic. */
  readonly source?: Exclude<EventSource, 'hub'> | undefined;
  /** Of the entries it has, those that are news, by their key in the feed. */
  readonly only?: readonly string[] | undefined;
  /** The keys and versions it was compared by, so that it need not be parsed again. Absent where they are too many. */
  readonly pieces?: readonly Piece[] | undefined;
  /** Whether it says only that there is news: the topic is fetched for its handler. */
  readonly isPing?: boolean | undefined;
  /** Runs of the handler that have ended; one that a crash cut off is not among them. */
  readonly attempts: number;
  readonly nextAttemptAt: number;
  /** The errors of the last runs. */
  readonly errors: readonly FailedRun[];
  /** Since when it is tried, where that is later than it was received: it was replayed. */
  readonly triedSince?: number | undefined;
  /** Since when it is a dead letter: kept, and not tried again. */
  readonly deadSince?: number | undefined;
  /** Why it is a dead letter; absent where its handler failed for too long. */
  readonly deadCause?: Exclude<DeadLetterCause, 'failed'> | undefined;
}

/**
 * Why an event was given up. `'failed'`: its handler failed until `delivery.retryForSeconds` were over. `'unrecoverable'`: its
 * handler threw `UnrecoverableEventError`. `'crashed'`: the process ended three times while its handler ran.
 */
export type DeadLetterCause = 'failed' | 'unrecoverable' | 'crashed';

/** An event that was received and not yet handled, as it is first stored. */
export function newStoredEvent(
  service: string,
  { entry, grant, event, receivedAt, pieces }: Reception,
  content: Pick<StoredEvent, 'headers' | 'raw' | 'decoded' | 'undecodable' | 'url' | 'source' | 'only'>,
  { position, isPing }: Pick<StoredEvent, 'position' | 'isPing'>,
): StoredEvent {
  // Each by its name: properties after a spread are slow on Node 20, as is what they make: a sixth of a delivery's CPU.
  return {
    id: event.id,
    service,
    subscriptionId: entry.record.id,
    grantId: grant.id,
    position,
    receivedAt,
    headers: content.headers,
    raw: content.raw,
    decoded: content.decoded,
    undecodable: content.undecodable,
    url: content.url,
    source: content.source,
    only: content.only,
    pieces: storablePieces(pieces),
    isPing,
    attempts: 0,
    nextAttemptAt: receivedAt,
    errors: [],
  };
}

/** The pieces that are stored with an event: undefined where they are too many. */
export function storablePieces(pieces: readonly Piece[] | undefined): readonly Piece[] | undefined {
  return pieces !== undefined && pieces.length <= MOST_PIECES ? pieces : undefined;
}

/** Bytes an event takes in the store, near enough: its content and headers. */
export function bytesOf({ raw, decoded, headers }: StoredEvent): number {
  let bytes = raw.byteLength + (decoded?.byteLength ?? 0);
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}

/** An event for the store. */
export function encodeEvent(event: StoredEvent): VersionedRecord {
  return encodeRecord(VERSION, event);
}

/**
 * An event from the store.
 *
 * @throws StoreError for one that is corrupt or of a newer version
 */
export function decodeEvent(id: string, raw: unknown): StoredEvent {
  const data = decodeRecord(VERSION, raw, {}, `event ${id}`);
  if (isStoredEvent(data) && data.id === id) return data;
  throw new StoreError(`The record event ${id} is corrupt: it does not hold an event. It was left as it is.`);
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

function isStoredEvent(data: unknown): data is StoredEvent {
  if (typeof data !== 'object' || data === null) return false;
  const fields: { readonly [Field in keyof StoredEvent]?: unknown } = data;
  const { headers, raw, decoded, undecodable, url, errors, source, only, pieces, isPing, deadCause } = fields;
  const texts = [fields.id, fields.service, fields.subscriptionId, fields.grantId];
  const numbers = [
    fields.receivedAt,
    fields.position ?? 0,
    fields.attempts,
    fields.nextAttemptAt,
    fields.triedSince ?? 0,
    fields.deadSince ?? 0,
  ];
  return (
    texts.every((field) => typeof field === 'string') &&
    numbers.every((field) => Number.isFinite(field)) &&
    raw instanceof Uint8Array &&
    (decoded === undefined || decoded instanceof Uint8Array) &&
    [undecodable, isPing].every((flag) => flag === undefined || typeof flag === 'boolean') &&
    (deadCause === undefined || deadCause === 'crashed' || deadCause === 'unrecoverable') &&
    (url === undefined || (typeof url === 'string' && URL.canParse(url))) &&
    (source === undefined || source === 'catch-up' || source === 'poll') &&
    (only === undefined || (Array.isArray(only) && only.every((key) => typeof key === 'string'))) &&
    (pieces === undefined || (Array.isArray(pieces) && pieces.every(isPiece))) &&
    Array.isArray(headers) &&
    headers.every(isHeader) &&
    Array.isArray(errors) &&
    errors.every(isFailedRun)
  );
}

function isHeader(header: unknown): boolean {
  return Array.isArray(header) && header.length === 2 && header.every((part) => typeof part === 'string');
}

function isFailedRun(run: unknown): boolean {
  const { message, at }: { readonly message?: unknown; readonly at?: unknown } = Object(run);
  return typeof message === 'string' && Number.isFinite(at);
}
