/** Problems of a database file when it is opened. The texts begin with a verb; the file is their subject. */
export const FILE_PROBLEM = {
  empty: 'is empty (delete it if no service ever used this store)',
  invalidMetaPage: 'is damaged: its meta page is invalid',
  truncatedMetaPages: 'is damaged: its meta pages are truncated',
  invalidPage: (page: number) => `is damaged: its page ${page} is invalid`,
  truncated: (bytes: number, needed: number) => `is truncated: it has ${bytes} bytes and needs at least ${needed}`,
  invalidPageSize: (bytes: number) =>
    `is not an LMDB database: its page size is ${bytes} bytes; it must be a power of two from 256 to 65536`,
  noSignature: (metaPage: string) =>
    `is not an LMDB database, or is damaged: its ${metaPage} meta page has no LMDB signature`,
  unknownFormat: (format: number, known: number) => `has LMDB format ${format}; this package reads format ${known}`,
} as const;

/** The error for a database file with a problem: names the file and the remedy. */
export function unusableFileError(path: string, problem: string, cause: unknown): Error {
  return new Error(
    `${path} ${problem}. Restore it from a backup, or move it away to start with an empty store. With an empty store, ` +
      'subscriptions in your code are created again. Stored events, dead letters and subscriptions created at run time ' +
      'are lost',
    { cause },
  );
}

/** Problems of a database file while it is open. The texts name the remedy. */
export const OPEN_FILE_PROBLEM = {
  missing: (path: string) => `${path} no longer exists. Restore it, or restart with an empty store`,
  replaced: (path: string) =>
    `${path} was replaced by another file. Restore the original file, or restart to use the new one`,
  truncated: (path: string, before: bigint, now: bigint) =>
    `${path} was truncated from ${before} to ${now} bytes. Stop the service, restore a backup, and start again`,
  unreadable: (path: string, code: unknown) => `${path} cannot be checked: ${String(code)}`,
} as const;

/** Begins every message about a full disk, as the operating system words it. */
const NO_SPACE = 'no space left on the device';

/** The error for a write that does not fit on the disk. */
export function fullDiskError(freeBytes: number): Error {
  return new Error(`${NO_SPACE}: ${freeBytes} bytes are free`);
}

/** The error for a store that cannot be opened because the disk is full. */
export function noSpaceToOpenError(freeBytes: number, neededBytes: number): Error {
  return new Error(
    `${NO_SPACE}: ${freeBytes} bytes are free; at least ${neededBytes} are needed. Free disk space and start again`,
  );
}
