import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const { R_OK, W_OK, X_OK } = constants;

/** Where the first page of a database of a 64-bit system says what it is. */
const header = { length: 52, flags: 18, magic: 24, version: 28, pageSize: 48 } as const;
const metaPage = 0x08;
const magic = 0xbeefc0de;
const formatVersion = 2;

/**
 * Makes the directory, for its user alone, and looks for whatever would keep LMDB from opening a database there. This
 * comes first because LMDB's binding does not survive a database that cannot be opened: the process crashes or hangs.
 *
 * @throws whatever the file system answers, or an Error that says what the files are not.
 */
export function prepareLmdbDirectory(directory: string): void {
  makeDirectory(directory);
  accessSync(directory, R_OK | W_OK | X_OK);
  for (const name of ['data.mdb', 'lock.mdb']) {
    const path = join(directory, name);
    if (!existsSync(path)) continue;
    accessSync(path, R_OK | W_OK);
    if (!statSync(path).isFile()) throw new Error(`${name} is not a file`);
  }
  checkHeader(join(directory, 'data.mdb'));
  checkSpace(join(directory, `space-${process.pid}.tmp`));
}

/** Node 20's own recursive mkdir never returns where the file system refuses in its way, as below /proc. */
function makeDirectory(directory: string): void {
  if (!existsSync(directory)) {
    makeDirectory(dirname(directory));
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      // Another process may have made it meanwhile.
      if (!existsSync(directory)) throw error;
    }
  }
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is not a directory`);
}

function checkHeader(path: string): void {
  const size = existsSync(path) ? statSync(path).size : 0;
  if (size === 0 || ['arm', 'ia32'].includes(process.arch)) return;
  const bytes = Buffer.alloc(header.length);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  const isDatabase = (bytes.readUInt16LE(header.flags) & metaPage) !== 0 && bytes.readUInt32LE(header.magic) === magic;
  if (!isDatabase || size < 2 * bytes.readUInt32LE(header.pageSize)) {
    throw new Error('data.mdb is not a whole LMDB database; restore it, or move it away to begin anew');
  }
  const version = bytes.readUInt16LE(header.version);
  if (version !== formatVersion) {
    throw new Error(`data.mdb has LMDB's format ${version}, and this package reads format ${formatVersion}`);
  }
}

function checkSpace(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(65_536));
  } finally {
    rmSync(path, { force: true });
  }
}
