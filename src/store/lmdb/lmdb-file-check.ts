import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { checkSnapshot, openedSnapshots, readSnapshots, type LmdbSnapshot, type LmdbTree } from './lmdb-meta.js';

const pageHeader = { number: 0, flags: 18, lower: 20, overflowPages: 20, length: 24 } as const;
const branchPage = 0x01;
const leafPage = 0x02;
const overflowPage = 0x04;
const nodeHeader = 8;
/** The value lies in pages of its own: their first number, a transaction, how many they are. */
const bigData = 0x01;
const bigDataLength = 24;

/** A larger file is walked through only where pages are missing at its end: the walk takes a second for some 500 MiB. */
const MAX_WALKED_BYTES = 64 * 1024 * 1024;

/** A file with a problem is looked at again if another process writes to it: how often, and after how many milliseconds. */
const ATTEMPTS = 5;
const PAUSE_MS = 20;

/**
 * Checks that every page LMDB may read is in the file, and is what it should be. LMDB maps the file into memory: a page behind
 * its end kills the process (SIGBUS), and a damaged one may leave commits hanging. The last page's number alone does not tell:
 * LMDB never writes pages at the end that are free.
 *
 * @throws Error that says what is wrong; its message begins with a verb, as the file is its subject
 */
export function checkLmdbFile(path: string): void {
  // 32-bit systems have another layout.
  if (['arm', 'ia32'].includes(process.arch)) return;
  const file = openSync(path, 'r');
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const before = fstatSync(file);
      const problem = fileProblem(file, before.size);
      if (problem === undefined) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      const after = fstatSync(file);
      if (after.size === before.size && after.mtimeMs === before.mtimeMs) throw problem;
    }
    // Another process uses the database: the owner lock will say which.
  } finally {
    closeSync(file);
  }
}

/** Undefined where the database can be opened. */
function fileProblem(file: number, size: number): unknown {
  try {
    if (size === 0) throw new Error('is empty (delete it if no service has ever used this store)');
    const snapshots = readSnapshots(file);
    const { pageSize } = snapshots[0];
    const problems = openedSnapshots(snapshots).map((snapshot) => snapshotProblem(file, snapshot, pageSize));
    return problems.includes(undefined) ? undefined : problems[0];
  } catch (error) {
    return error;
  }
}

function snapshotProblem(file: number, snapshot: LmdbSnapshot, pageSize: number): unknown {
  try {
    checkSnapshot(snapshot, pageSize);
    const { size } = fstatSync(file);
    if (size > MAX_WALKED_BYTES && size >= (snapshot.lastPage + 1) * pageSize) return undefined;
    const pages = new PageReader(file, size, snapshot);
    for (const tree of snapshot.trees) pages.check(tree);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The pages of a snapshot. */
class PageReader {
  readonly #file: number;
  readonly #size: number;
  readonly #lastPage: number;
  /** Pages in the file, or in the snapshot if that has fewer. */
  readonly #count: number;
  readonly #bytes: number;
  /** One for each level of a tree: a new one for each page would take longer than reading it. */
  readonly #buffers: Buffer[] = [];
  #visited = 0;

  constructor(file: number, bytes: number, { pageSize, lastPage }: LmdbSnapshot) {
    this.#file = file;
    this.#bytes = bytes;
    this.#size = pageSize;
    this.#lastPage = lastPage;
    this.#count = Math.min(lastPage + 1, Math.floor(bytes / pageSize));
  }

  /** Visits every page of a tree but those of long values, of which only the first one is read. */
  check({ root, depth }: LmdbTree): void {
    if (root !== undefined) this.#visit(root, depth);
  }

  #visit(number: number, depth: number): void {
    this.#visited += 1;
    const flag = depth > 1 ? branchPage : leafPage;
    const page = this.#read(number, (this.#buffers[depth] ??= Buffer.alloc(this.#size)), flag);
    // A page is in a tree once.
    if (this.#visited > this.#count) throw damagedPageError(number);
    const keys = page.readUInt16LE(pageHeader.lower) >> 1;
    if (pageHeader.length + 2 * keys > this.#size) throw damagedPageError(number);
    for (let key = 0; key < keys; key += 1) {
      const node = page.readUInt16LE(pageHeader.length + 2 * key) + pageHeader.length;
      if (node + nodeHeader > this.#size) throw damagedPageError(number);
      if (flag === branchPage) this.#visit(page.readUIntLE(node, 6), depth - 1);
      else this.#checkValue(page, node, number);
    }
  }

  #checkValue(page: Buffer, node: number, number: number): void {
    const isBig = (page.readUInt16LE(node + 4) & bigData) !== 0;
    const value = node + nodeHeader + page.readUInt16LE(node + 6);
    const length = page.readUInt32LE(node);
    if (value + (isBig ? bigDataLength : length) > this.#size) throw damagedPageError(number);
    if (!isBig) return;
    const first = numberAt(page, value);
    const pages = numberAt(page, value + 16);
    const header = this.#read(first, (this.#buffers[0] ??= Buffer.alloc(pageHeader.length)), overflowPage);
    this.#assertInFile(first + pages - 1);
    const isLongEnough = pages * this.#size - pageHeader.length >= length;
    if (header.readUInt32LE(pageHeader.overflowPages) !== pages || !isLongEnough) throw damagedPageError(first);
  }

  #read(number: number, into: Buffer, flag: number): Buffer {
    this.#assertInFile(number);
    readSync(this.#file, into, 0, into.length, number * this.#size);
    const isRight =
      numberAt(into, pageHeader.number) === number && (into.readUInt16LE(pageHeader.flags) & 0xf) === flag;
    if (!isRight) throw damagedPageError(number);
    return into;
  }

  #assertInFile(number: number): void {
    if (number < this.#count) return;
    if (number > this.#lastPage) throw damagedPageError(number);
    const needed = (number + 1) * this.#size;
    throw new Error(`is cut off: it has ${this.#bytes} bytes, and ${needed} or more are in use`);
  }
}

/** 64 bits as a number: what is too large for one is no page number either. */
function numberAt(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 2 ** 32;
}

function damagedPageError(number: number): Error {
  return new Error(`is damaged: its page ${number} makes no sense`);
}
