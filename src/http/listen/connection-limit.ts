import { readFileSync } from 'node:fs';

/** Descriptors reserved for the store, hubs and everything else in the process. */
const RESERVED_DESCRIPTORS = 512;

/** The maximum number of open files of the process; undefined if it cannot be read, as outside Linux. */
export function openFilesLimit(path = '/proc/self/limits'): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync(path, 'utf8')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/**
 * The maximum number of connections: the configured number, or less if the open-files limit is low. The result leaves
 * `RESERVED_DESCRIPTORS` free, but is at least a quarter of the open-files limit.
 */
export function connectionLimit(configured: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return configured;
  return Math.min(configured, Math.max(openFiles - RESERVED_DESCRIPTORS, Math.ceil(openFiles / 4)));
}
