import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freeBytes, MIN_FREE_BYTES } from './disk-space.js';
import { checkLmdbFile } from './lmdb-file-check.js';
import { noSpaceToOpenError, unusableFileError } from './lmdb-file-error.js';
import { errorMessage } from '../store-error.js';

const { R_OK, W_OK, X_OK } = constants;

/**
 * Creates the directory, private to its user, and checks for anything that would stop LMDB from opening a database
 * there. The check is needed because LMDB's binding crashes or hangs on a database it cannot open.
 *
 * @throws the error of the file system, or an Error that says what is wrong with the files.
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
 * Creates a directory and its parents. Node 20's recursive mkdir never returns when the file system refuses, as below
 * /proc.
 *
 * @returns whether this call created the directory
 */
function makeDirectory(directory: string): boolean {
  let isCreated = false;
  if (!existsSync(directory)) {
    makeDirectory(dirname(directory));
    try {
      mkdirSync(directory, { mode: 0o700 });
      isCreated = true;
    } catch (error) {
      // Another process may have created it meanwhile.
      if (!existsSync(directory)) throw error;
    }
  }
  if (!statSync(directory).isDirectory()) throw new Error(`${directory} is not a directory`);
  return isCreated;
}

/**
 * Keeps the store out of Git commits, because it may hold secrets. Not done for a directory that existed before: it
 * belongs to the user.
 */
function ignoreInGit(directory: string): void {
  try {
    writeFileSync(join(directory, '.gitignore'), '*\n', { flag: 'wx' });
  } catch {
    // The store works without this file.
  }
}

/** Checks the database file, if it exists. Adds the file's path and the remedy to the error. Changes nothing. */
function checkDatabase(path: string): void {
  if (!existsSync(path)) return;
  try {
    checkLmdbFile(path);
  } catch (cause) {
    throw unusableFileError(path, errorMessage(cause), cause);
  }
}

/** Checks that the disk has room to open the store and to finish the stored events. */
function checkSpace(path: string): void {
  const free = freeBytes(dirname(path));
  if (free < MIN_FREE_BYTES) throw noSpaceToOpenError(free, MIN_FREE_BYTES);
  try {
    // The free space of the file system does not show a quota, so write a file.
    writeFileSync(path, Buffer.alloc(65_536));
  } finally {
    rmSync(path, { force: true });
  }
}
