import { availableParallelism } from 'node:os';
import { setImmediate as macrotask } from 'node:timers/promises';
import { READERS, type FeedDocument, type VersionedEntries, type ReaderName } from '../feed-document.js';
import type { EntryVersion } from '../entry/entry-version.js';
import type { ParsedFeed } from '../feed.js';
import { ParseThread, type ThreadLimits } from './parse-thread.js';

/** A longer document is parsed in another thread. */
const MAX_INLINE_BYTES = 64 * 1024;

/** So is one with more tags, objects and arrays than this: the first one that a process parses takes that long. */
const MAX_INLINE_COST = 500;

/** By their first byte: of attributes and references, four cost as much as a tag, and of values in JSON many more. */
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

/** More documents than this, or more bytes of them, do not wait for a thread. */
const MAX_QUEUED = 1_000;
const MAX_QUEUED_BYTES = 128 * 1024 * 1024;

const LIMITS: ThreadLimits = { heapMb: 512, documentMs: 30_000, idleMs: 60_000 };

interface QueuedDocument {
  readonly reader: ReaderName;
  readonly document: FeedDocument;
  readonly resolve: (read: Promise<unknown>) => void;
}

/**
 * Shared by all runtimes of a process. With two, a document that takes long keeps no other waiting; but on two processors
 * they would keep the main thread from one of them.
 */
const threads = Array.from({ length: availableParallelism() > 2 ? 2 : 1 }, () => new ParseThread(LIMITS));
const queue: QueuedDocument[] = [];
let queuedBytes = 0;
/** Documents that are still to be read, in this thread or in another one. */
const unfinished = new Set<Promise<unknown>>();
/** Settles when the last document was read that had to wait for its turn. */
let lastSequentialRead: Promise<void> = Promise.resolve();

/**
 * Reads entries. A document that takes little time is read here and now, any other in another thread.
 *
 * @throws SyntaxError where it is not well-formed, or XML that is no feed
 * @throws RangeError where it is over a bound of PROTOCOL D12, or takes too much memory or time
 * @throws Error where no thread can be had: later there may be one
 */
export function parseEntries(document: FeedDocument): VersionedEntries | Promise<VersionedEntries> {
  if (canParseInline(document.bytes)) return READERS.entries(document);
  return parseInThread('entries', document);
}

/** The same for a document that takes little time; undefined for any other. */
export function parseInline(document: FeedDocument): VersionedEntries | undefined {
  return canParseInline(document.bytes) ? READERS.entries(document) : undefined;
}

/** Reads what tells entries from others, as {@link parseEntries} does, without the entries. */
export function parseVersions(document: FeedDocument): readonly EntryVersion[] | Promise<readonly EntryVersion[]> {
  if (canParseInline(document.bytes)) return READERS.versions(document);
  return parseInThread('versions', document);
}

/**
 * The same for a document that nobody waits for: those that take little time are read one after the other, and everything else
 * has its turn in between. Many topics may be polled at the same moment.
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

/** Reads a feed, as {@link parseEntries} reads entries. @throws SyntaxError also where it is none */
export function parseFeed(document: FeedDocument): ParsedFeed | Promise<ParsedFeed> {
  if (canParseInline(document.bytes)) return READERS.feed(document);
  return parseInThread('feed', document);
}

/** Whether a document is parsed at once, without keeping this thread from all else for long, whatever is in it. */
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
    return Promise.reject(new Error('Too many documents wait to be parsed: this one was not parsed'));
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

/** Resolves when the document is read, or cannot be. */
function trackUnfinished(read: Promise<unknown>): Promise<void> {
  unfinished.add(read);
  const remove = (): void => void unfinished.delete(read);
  return read.then(remove, remove);
}

/** Settles when the documents that wait to be parsed, or are being parsed in another thread, are parsed; undefined where there is none. */
export function whenIdle(): Promise<unknown> | undefined {
  return unfinished.size === 0 ? undefined : Promise.allSettled(unfinished);
}

function startNext(): void {
  const thread = threads.find(({ isBusy }) => !isBusy);
  const first = thread === undefined ? undefined : queue.shift();
  if (thread === undefined || first === undefined) return;
  queuedBytes -= first.document.bytes.byteLength;
  const read = thread.read(first.reader, first.document);
  first.resolve(read);
  void read.then(startNext, startNext);
}
