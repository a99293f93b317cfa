import { availableParallelism } from 'node:os';
import { setImmediate as macrotask } from 'node:timers/promises';
import { READERS, type Document, type VersionedEntries, type Wanted } from '../feed-document.js';
import type { EntryVersion } from '../entry/entry-version.js';
import type { ParsedFeed } from '../feed.js';
import { ParseThread, type ThreadLimits } from './parse-thread.js';

/** A longer document is parsed in another thread. */
const MAX_HERE_BYTES = 64 * 1024;

/** So is one with more tags, objects and arrays than this: the first one that a process parses takes that long. */
const MAX_HERE_PARTS = 500;

/** By their first byte: of attributes and references, four cost as much as a tag, and of values in JSON many more. */
const PARTS: ReadonlyMap<string, number> = new Map([
  ['<', 1],
  ['{', 1],
  ['[', 1],
  ['=', 1 / 4],
  ['&', 1 / 4],
  [',', 1 / 16],
]);
const PART_COSTS = Float64Array.from({ length: 256 }, (_, byte) => PARTS.get(String.fromCharCode(byte)) ?? 0);

/** More documents than this, or more bytes of them, do not wait for a thread. */
const MAX_WAITING = 1_000;
const MAX_WAITING_BYTES = 128 * 1024 * 1024;

const LIMITS: ThreadLimits = { heapMb: 512, documentMs: 30_000, idleMs: 60_000 };

interface Waiting {
  readonly wanted: Wanted;
  readonly document: Document;
  readonly resolve: (read: Promise<unknown>) => void;
}

/**
 * Shared by all runtimes of a process. With two, a document that takes long keeps no other waiting; but on two processors
 * they would keep the main thread from one of them.
 */
const threads = Array.from({ length: availableParallelism() > 2 ? 2 : 1 }, () => new ParseThread(LIMITS));
const waiting: Waiting[] = [];
let waitingBytes = 0;
/** Documents that are still to be read, in this thread or in another one. */
const open = new Set<Promise<unknown>>();
/** Settles when the last document was read that had to wait for its turn. */
let lastRead: Promise<void> = Promise.resolve();

/**
 * Reads entries. A document that takes little time is read here and now, any other in another thread.
 *
 * @throws SyntaxError where it is not well-formed, or XML that is no feed
 * @throws RangeError where it is over a bound of PROTOCOL D12, or takes too much memory or time
 * @throws Error where no thread can be had: later there may be one
 */
export function parseEntries(document: Document): VersionedEntries | Promise<VersionedEntries> {
  if (isLight(document.bytes)) return READERS.entries(document);
  return inThread('entries', document);
}

/** The same for a document that takes little time; undefined for any other. */
export function parseLight(document: Document): VersionedEntries | undefined {
  return isLight(document.bytes) ? READERS.entries(document) : undefined;
}

/** Reads what tells entries from others, as {@link parseEntries} does, without the entries. */
export function parseVersions(document: Document): readonly EntryVersion[] | Promise<readonly EntryVersion[]> {
  if (isLight(document.bytes)) return READERS.versions(document);
  return inThread('versions', document);
}

/**
 * The same for a document that nobody waits for: those that take little time are read one after the other, and everything else
 * has its turn in between. Many topics may be polled at the same moment.
 */
export function parseVersionsInTurn(document: Document): Promise<readonly EntryVersion[]> {
  if (!isLight(document.bytes)) return inThread('versions', document);
  const read = lastRead.then(async () => {
    await macrotask();
    return READERS.versions(document);
  });
  lastRead = noteOpen(read);
  return read;
}

/** Reads a feed, as {@link parseEntries} reads entries. @throws SyntaxError also where it is none */
export function parseFeed(document: Document): ParsedFeed | Promise<ParsedFeed> {
  if (isLight(document.bytes)) return READERS.feed(document);
  return inThread('feed', document);
}

/** Whether a document is parsed at once, without keeping this thread from all else for long, whatever is in it. */
export function isLight(bytes: Uint8Array): boolean {
  if (bytes.byteLength > MAX_HERE_BYTES) return false;
  let parts = 0;
  for (const byte of bytes) parts += PART_COSTS[byte] ?? 0;
  return parts <= MAX_HERE_PARTS;
}

function inThread<Name extends Wanted>(wanted: Name, document: Document): Promise<ReturnType<(typeof READERS)[Name]>> {
  const { byteLength } = document.bytes;
  if (waiting.length >= MAX_WAITING || waitingBytes + byteLength > MAX_WAITING_BYTES) {
    return Promise.reject(new Error('Too many documents wait to be parsed: this one was not parsed'));
  }
  const read = new Promise<unknown>((resolve) => {
    waiting.push({ wanted, document, resolve });
    waitingBytes += byteLength;
  });
  void noteOpen(read);
  begin();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the same function in another thread
  return read as Promise<ReturnType<(typeof READERS)[Name]>>;
}

/** Resolves when the document is read, or cannot be. */
function noteOpen(read: Promise<unknown>): Promise<void> {
  open.add(read);
  const close = (): void => void open.delete(read);
  return read.then(close, close);
}

/** Settles when the documents that wait to be parsed, or are being parsed in another thread, are parsed; undefined where there is none. */
export function whenParsed(): Promise<unknown> | undefined {
  return open.size === 0 ? undefined : Promise.allSettled(open);
}

function begin(): void {
  const thread = threads.find(({ isBusy }) => !isBusy);
  const first = thread === undefined ? undefined : waiting.shift();
  if (thread === undefined || first === undefined) return;
  waitingBytes -= first.document.bytes.byteLength;
  const read = thread.read(first.wanted, first.document);
  first.resolve(read);
  void read.then(begin, begin);
}
