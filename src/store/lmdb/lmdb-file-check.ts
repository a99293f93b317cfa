import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { FILE_PROBLEM } from './lmdb-file-error.js';
import { checkSnapshot, openedSnapshots, readSnapshots, type LmdbSnapshot, type LmdbTree } from './lmdb-meta.js';

const pageHeader = { number: 0, flags: 18, lower: 20, overflowPages: 20, length: 24 } as const;
const branchPage = 0x01;
const leafPage = 0x02;
const overflowPage = 0x04;
const nodeHeader = 8;
/** The value lies on overflow pages. The node holds their first page number, a transaction id, and their count. */
const bigData = 0x01;
const bigDataLength = 24;

/** Larger files are walked only when pages are missing at their end: the walk takes a second for about 500 MiB. */
const MAX_WALKED_BYTES = 64 * 1024 * 1024;

/** Attempts to check the file, and milliseconds between them. A file may look damaged while a process writes to it. */
const ATTEMPTS = 5;
const PAUSE_MS = 20;

/**
 * Checks that every page LMDB may read is in the file and is valid. LMDB maps the file into memory: a page past the end
 * of the file kills the process (SIGBUS), and a damaged page may make commits hang. The number of the last page is not
 * enough: LMDB never writes free pages at the end.
 *
 * @throws Error that says what is wrong. Its message begins with a verb; the file is the subject.
 */
export function checkLmdbFile(path: string): void {
  // 32-bit systems use another layout.
  if (['arm', 'ia32'].includes(process.arch)) return;
  const file = openSync(path, 'r');
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const before = fstatSync(file);
      const problem = fileProblem(file, before.size);
      if (problem === undefined) return;
      // A synchronous sleep: opening a store is synchronous.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      const after = fstatSync(file);
      if (after.size === before.size && after.mtimeMs === before.mtimeMs) throw problem;
    }
    // Another process is writing to the database: the owner lock names it.
  } finally {
    closeSync(file);
  }
}

/** Returns the problem of the file; undefined when LMDB can open it. */
function fileProblem(file: number, size: number): unknown {
  try {
    if (size === 0) throw new Error(FILE_PROBLEM.empty);
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

/** Reads and checks the pages of a snapshot. */
class PageReader {
  readonly #file: number;
  readonly #size: number;
  readonly #lastPage: number;
  /** Pages in the file, or in the snapshot if it has fewer. */
  readonly #count: number;
  readonly #bytes: number;
  /** One buffer per tree level: allocating one per page would take longer than reading the page. */
  readonly #buffers: Buffer[] = [];
  #visited = 0;

  constructor(file: number, bytes: number, { pageSize, lastPage }: LmdbSnapshot) {
    this.#file = file;
    this.#bytes = bytes;
    this.#size = pageSize;
    this.#lastPage = lastPage;
    this.#count = Math.min(lastPage + 1, Math.floor(bytes / pageSize));
  }

  /** Visits every page of a tree. Reads only the first page of a long value. */
  check({ root, depth }: LmdbTree): void {
    if (root !== undefined) this.#visit(root, depth);
  }

  #visit(number: number, depth: number): void {
    this.#visited += 1;
    const flag = depth > 1 ? branchPage : leafPage;
    const page = this.#read(number, (this.#buffers[depth] ??= Buffer.alloc(this.#size)), flag);
    // A tree contains a page once, so more visits than pages mean a loop.
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
    throw new Error(FILE_PROBLEM.truncated(this.#bytes, needed));
  }
}

/** Reads 64 bits as a number. A value too large for a number is no valid page number either. */
function numberAt(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 2 ** 32;
}

function damagedPageError(number: number): Error {
  return new Error(FILE_PROBLEM.invalidPage(number));
}
