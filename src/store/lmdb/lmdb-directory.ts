import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freeBytes, MIN_FREE_BYTES } from './disk-space.js';
import { checkLmdbFile } from './lmdb-file-check.js';
import { errorMessage } from '../store-error.js';

const { R_OK, W_OK, X_OK } = constants;

/**
 * Makes the directory, for its user alone, and looks for whatever would keep LMDB from opening a database there. This
 * comes first because LMDB's binding does not survive a database that cannot be opened: the process crashes or hangs.
 *
 * @throws whatever the file system answers, or an Error that says what the files are not.
 */
export function prepareLmdbDirectory(directory: string): void {
  if (makeDirectory(directory)) ignoreInGit(directory);
  accessSync(directory, R_OK | W_OK | X_OK);
  for (const name of ['data.mdb', 'lock.mdb']) {
    const path = join(directory, name);
    if (!existsSync(path)) continue;
    accessSync(path, R_OK | W_OK);
    if (!statSync(path).isFile()) throw new Error(`${name} is not a file`);
  }
  checkDatabase(join(directory, 'data.mdb'));
  checkSpace(join(directory, `space-${process.pid}.tmp`));
}

/**
 * Node 20's own recursive mkdir never returns where the file system refuses in its way, as below /proc.
 *
 * @returns whether the directory was made by this call
 */
function makeDirectory(directory: string): boolean {
  let isMade = false;
  if (!existsSync(directory)) {
    makeDirectory(dirname(directory));
    try {
      mkdirSync(directory, { mode: 0o700 });
      isMade = true;
    } catch (error) {
      // Another process may have made it meanwhile.
      if (!existsSync(directory)) throw error;
    }
  }
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is not a directory`);
  return isMade;
}

/** Keeps the store, which may hold secrets, out of commits. A directory that was there before is the user's to decide on. */
function ignoreInGit(directory: string): void {
  try {
    writeFileSync(join(directory, '.gitignore'), '*\n', { flag: 'wx' });
  } catch {
    // The store works without it.
  }
}

/** Says which file it is, and what to do: nothing is lost by the check itself. */
function checkDatabase(path: string): void {
  if (!existsSync(path)) return;
  try {
    checkLmdbFile(path);
  } catch (cause) {
    throw new Error(
      `${path} ${errorMessage(cause)}. Restore it from a backup, or move it away to start with an empty store: subscriptions in the ` +
        'code are then made anew, and stored events, dead letters and subscriptions made at run time are lost',
      { cause },
    );
  }
}

/** The disk has to have room for opening, and for the writes that work the stored events off. */
function checkSpace(path: string): void {
  const free = freeBytes(dirname(path));
  if (free < MIN_FREE_BYTES) {
    throw new Error(
      `no space left on the device: ${free} bytes are free, and ${MIN_FREE_BYTES} are needed; make room and start again`,
    );
  }
  try {
    // A quota does not show in what the file system has left.
    writeFileSync(path, Buffer.alloc(65_536));
  } finally {
    rmSync(path, { force: true });
  }
}
