import { readFileSync, readSync } from 'node:fs';
import { FILE_PROBLEM } from './lmdb-file-error.js';

/** Byte offsets in a meta page of a 64-bit database: a page header of 24 bytes, then LMDB's `MDB_meta`. */
const at = {
  pageFlags: 18,
  magic: 24,
  version: 28,
  mapSize: 40,
  pageSize: 48,
  flags: 52,
  freeDepth: 54,
  freeRoot: 88,
  mainDepth: 102,
  mainRoot: 136,
  lastPage: 144,
  transaction: 152,
  boot: 160,
  end: 168,
} as const;

const metaPage = 0x08;
const magic = 0xbeefc0de;
const formatVersion = 2;
/** Set on a meta page whose commit is not yet flushed to disk. */
const unflushed = 0x1000;
/** Largest plausible database, in bytes: the address space of an x86-64 process. */
const maxMappedBytes = 2 ** 47;
/** The most tree levels LMDB can walk. */
const maxDepth = 32;

/** A B-tree: its root page and its height. An empty tree has no root page. */
export interface LmdbTree {
  readonly root: number | undefined;
  readonly depth: number;
}

/** One state of the database, as a meta page describes it. */
export interface LmdbSnapshot {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly trees: readonly LmdbTree[];
  readonly transaction: bigint;
  readonly isFlushed: boolean;
  readonly boot: bigint;
}

/** Reads the snapshots of an open file: one per meta page, and the copy that LMDB writes after a flush. */
export function readSnapshots(file: number): readonly [LmdbSnapshot, LmdbSnapshot, LmdbSnapshot] {
  const first = read(file, 0);
  checkFormat(first, 'first');
  const pageSize = first.readUInt32LE(at.pageSize);
  if (pageSize < 256 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new Error(FILE_PROBLEM.invalidPageSize(pageSize));
  }
  const second = read(file, pageSize);
  checkFormat(second, 'second');
  // The copy has no magic number, so its format cannot be checked.
  const flushed = read(file, pageSize / 2);
  return [snapshotOf(first, pageSize), snapshotOf(second, pageSize), snapshotOf(flushed, pageSize)];
}

/**
 * Returns the snapshots LMDB may open, usually one. After a reboot LMDB goes back to the last flushed snapshot. When
 * the boot id cannot be read, LMDB may open that one or the latest.
 */
export function openedSnapshots(
  [first, second, flushed]: readonly [LmdbSnapshot, LmdbSnapshot, LmdbSnapshot],
  boot = bootId(),
): readonly LmdbSnapshot[] {
  const latest = later(first, second);
  if (process.platform === 'win32') return [latest];
  const safe = pickMeta(pickMeta(first, second, boot), flushed, boot);
  return boot === undefined ? [latest, safe] : [safe];
}

/** Checks the numbers of a snapshot. @throws Error when they are impossible */
export function checkSnapshot({ pageSize, lastPage, trees }: LmdbSnapshot, expectedPageSize: number): void {
  const isSane =
    pageSize === expectedPageSize &&
    lastPage >= 1 &&
    lastPage * pageSize < maxMappedBytes &&
    trees.every(({ root, depth }) =>
      root === undefined ? depth === 0 : root > 1 && root <= lastPage && depth > 0 && depth <= maxDepth,
    );
  if (!isSane) throw new Error(FILE_PROBLEM.invalidMetaPage);
}

function read(file: number, offset: number): Buffer {
  const bytes = Buffer.alloc(at.end);
  if (readSync(file, bytes, 0, at.end, offset) < at.end) throw new Error(FILE_PROBLEM.truncatedMetaPages);
  return bytes;
}

function checkFormat(bytes: Buffer, which: string): void {
  if ((bytes.readUInt16LE(at.pageFlags) & metaPage) === 0 || bytes.readUInt32LE(at.magic) !== magic) {
    throw new Error(FILE_PROBLEM.noSignature(which));
  }
  const version = bytes.readUInt32LE(at.version) & 0xffff;
  if (version !== formatVersion) {
    throw new Error(FILE_PROBLEM.unknownFormat(version, formatVersion));
  }
}

function snapshotOf(bytes: Buffer, pageSize: number): LmdbSnapshot {
  return {
    pageSize: bytes.readUInt32LE(at.pageSize) || pageSize,
    lastPage: Number(bytes.readBigUInt64LE(at.lastPage)),
    trees: [
      { root: rootAt(bytes, at.freeRoot), depth: bytes.readUInt16LE(at.freeDepth) },
      { root: rootAt(bytes, at.mainRoot), depth: bytes.readUInt16LE(at.mainDepth) },
    ],
    transaction: bytes.readBigUInt64LE(at.transaction),
    isFlushed: (bytes.readUInt16LE(at.flags) & unflushed) === 0,
    boot: bytes.readBigInt64LE(at.boot),
  };
}

function rootAt(bytes: Buffer, offset: number): number | undefined {
  const root = bytes.readBigInt64LE(offset);
  return root === -1n ? undefined : Number(root);
}

function later(one: LmdbSnapshot, other: LmdbSnapshot): LmdbSnapshot {
  return one.transaction >= other.transaction ? one : other;
}

/** LMDB's choice (`mdb_pick_meta`): the later snapshot if it was flushed or written since the last boot. */
function pickMeta(one: LmdbSnapshot, other: LmdbSnapshot, boot: bigint | undefined): LmdbSnapshot {
  const latest = later(one, other);
  if (other.transaction === 0n) return one;
  if (latest.isFlushed || (latest.boot !== 0n && latest.boot === boot)) return latest;
  return one.transaction > other.transaction ? other : one;
}

/** The boot id as LMDB reads it: the first eight digits of the kernel's boot id. */
function bootId(): bigint | undefined {
  try {
    const digits = /^[0-9a-f]{8}/.exec(readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'))?.[0];
    return digits === undefined ? undefined : BigInt(`0x${digits}`);
  } catch {
    return undefined;
  }
}
