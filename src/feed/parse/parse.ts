import { availableParallelism } from 'node:os';
import { setImmediate as macrotask } from 'node:timers/promises';
import { READERS, type FeedDocument, type VersionedEntries, type ReaderName } from '../feed-document.js';
import type { EntryVersion } from '../entry/entry-version.js';
import type { ParsedFeed } from '../feed.js';
import { ParseThread, type ThreadLimits } from './parse-thread.js';

/** Documents longer than this, in bytes, are parsed in another thread. */
const MAX_INLINE_BYTES = 64 * 1024;

/**
 * Documents that cost more than this are parsed in another thread as well. A tag, object or array costs 1. Chosen for
 * the first document of a process, which parses slowest.
 */
const MAX_INLINE_COST = 500;

/** Cost by character: four attributes or references cost as much as a tag, and so do sixteen JSON values. */
const COST_BY_CHARACTER: ReadonlyMap<string, number> = new Map([
  ['<', 1],
  ['{', 1],
  ['[', 1],
  ['=', 1 / 4],
  ['&', 1 / 4],
  [',', 1 / 16],
]);
const COST_BY_BYTE = Float64Array.from(
  { length: 256 },
  (_, byte) => COST_BY_CHARACTER.get(String.fromCharCode(byte)) ?? 0,
);

/** Maximum number and total bytes of queued documents. More are rejected. */
const MAX_QUEUED = 1_000;
const MAX_QUEUED_BYTES = 128 * 1024 * 1024;

const LIMITS: ThreadLimits = { heapMb: 512, documentMs: 30_000, idleMs: 60_000 };

interface QueuedDocument {
  readonly reader: ReaderName;
  readonly document: FeedDocument;
  readonly resolve: (read: Promise<unknown>) => void;
}

/**
 * Threads shared by all runtimes of a process. Two threads, so that one slow document delays no others. One thread on
 * one or two processors, to keep the main thread free.
 */
const threads = Array.from({ length: availableParallelism() > 2 ? 2 : 1 }, () => new ParseThread(LIMITS));
const queue: QueuedDocument[] = [];
let queuedBytes = 0;
/** Documents not yet parsed, in this thread or another. */
const unfinished = new Set<Promise<unknown>>();
/** Settles when the last document of `parseVersionsSequentially` is parsed. */
let lastSequentialRead: Promise<void> = Promise.resolve();

/**
 * Parses entries. A cheap document is parsed synchronously, any other in another thread.
 *
 * @throws SyntaxError when it is not well-formed, or is XML but no feed
 * @throws RangeError when it is over a bound of PROTOCOL D12, or takes too much memory or time
 * @throws Error when no thread is available; a later call may succeed
 */
export function parseEntries(document: FeedDocument): VersionedEntries | Promise<VersionedEntries> {
  if (canParseInline(document.bytes)) return READERS.entries(document);
  return parseInThread('entries', document);
}

/** Parses the entries of a cheap document, as {@link parseEntries} does; returns undefined for any other. */
export function parseInline(document: FeedDocument): VersionedEntries | undefined {
  return canParseInline(document.bytes) ? READERS.entries(document) : undefined;
}

/** Parses the keys and versions of entries, as {@link parseEntries} does, without the entries. */
export function parseVersions(document: FeedDocument): readonly EntryVersion[] | Promise<readonly EntryVersion[]> {
  if (canParseInline(document.bytes)) return READERS.versions(document);
  return parseInThread('versions', document);
}

/**
 * Like {@link parseVersions}, for a document that nobody waits for. Cheap documents are parsed one at a time, yielding
 * to the event loop in between: many topics may be polled at the same moment.
 */
export function parseVersionsSequentially(document: FeedDocument): Promise<readonly EntryVersion[]> {
  if (!canParseInline(document.bytes)) return parseInThread('versions', document);
  const read = lastSequentialRead.then(async () => {
    await macrotask();
    return READERS.versions(document);
  });
  lastSequentialRead = trackUnfinished(read);
  return read;
}

/** Parses a feed, as {@link parseEntries} parses entries. @throws SyntaxError also when it is no feed */
export function parseFeed(document: FeedDocument): ParsedFeed | Promise<ParsedFeed> {
  if (canParseInline(document.bytes)) return READERS.feed(document);
  return parseInThread('feed', document);
}

/** Whether a document can be parsed synchronously without blocking this thread for long, whatever it contains. */
export function canParseInline(bytes: Uint8Array): boolean {
  if (bytes.byteLength > MAX_INLINE_BYTES) return false;
  let cost = 0;
  for (const byte of bytes) cost += COST_BY_BYTE[byte] ?? 0;
  return cost <= MAX_INLINE_COST;
}

function parseInThread<Name extends ReaderName>(
  reader: Name,
  document: FeedDocument,
): Promise<ReturnType<(typeof READERS)[Name]>> {
  const { byteLength } = document.bytes;
  if (queue.length >= MAX_QUEUED || queuedBytes + byteLength > MAX_QUEUED_BYTES) {
    return Promise.reject(new Error('The document was not parsed, because the queue of the parser is full'));
  }
  const read = new Promise<unknown>((resolve) => {
    queue.push({ reader, document, resolve });
    queuedBytes += byteLength;
  });
  void trackUnfinished(read);
  startNext();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the same function in another thread
  return read as Promise<ReturnType<(typeof READERS)[Name]>>;
}

/** Tracks a document until it is parsed or has failed. Resolves then. */
function trackUnfinished(read: Promise<unknown>): Promise<void> {
  unfinished.add(read);
  const remove = (): void => void unfinished.delete(read);
  return read.then(remove, remove);
}

/** Settles when all queued and running documents are parsed; undefined when there are none. */
export function whenIdle(): Promise<unknown> | undefined {
  return unfinished.size === 0 ? undefined : Promise.allSettled(unfinished);
}

function startNext(): void {
  const thread = threads.find(({ isBusy }) => !isBusy);
  const next = thread === undefined ? undefined : queue.shift();
  if (thread === undefined || next === undefined) return;
  queuedBytes -= next.document.bytes.byteLength;
  const read = thread.read(next.reader, next.document);
  next.resolve(read);
  void read.then(startNext, startNext);
}
