import { readFileSync } from 'node:fs';

/** Descriptors that the store, hubs and everything else in the process may need. */
const OTHER_DESCRIPTORS = 512;

/** How many files the process may have open; undefined where that cannot be read. */
export function openFilesLimit(path = '/proc/self/limits'): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync(path, 'utf8')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** The connections that may be open: those wanted, less if the file limit is low. Hubs get a quarter of it at least. */
export function connectionLimit(wanted: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return wanted;
  return Math.min(wanted, Math.max(openFiles - OTHER_DESCRIPTORS, Math.ceil(openFiles / 4)));
}
