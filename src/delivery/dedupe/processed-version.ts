/** The last known version of a dedupe key, and when it was last seen. Times are epoch milliseconds. */
export interface ProcessedVersion {
  readonly at: number;
  readonly version: string;
  readonly updated?: number | undefined;
  readonly deleted?: boolean | undefined;
  /** Whether a poll counted the entry as old, as at the first poll. A handler may never have processed it. */
  readonly isBaseline?: boolean | undefined;
  /** When the version was written to the store. */
  readonly storedAt: number;
}

/** The stored form. Its field names stay as they were in version 0.1.0. */
interface StoredVersion extends Omit<ProcessedVersion, 'isBaseline' | 'storedAt'> {
  readonly isOld: ProcessedVersion['isBaseline'];
}

/** Encodes a processed version for the store. */
export function encodeProcessedVersion({ at, version, updated, deleted, isBaseline }: ProcessedVersion): StoredVersion {
  return { at, version, updated, deleted, isOld: isBaseline };
}

/**
 * Decodes a processed version from the store.
 *
 * @throws Error if the record is invalid
 */
export function decodeProcessedVersion(data: unknown): ProcessedVersion {
  const fields: { readonly [Field in keyof StoredVersion]?: unknown } = Object(data);
  const { at, version = '', updated, deleted, isOld } = fields;
  if (typeof at !== 'number' || !Number.isFinite(at) || typeof version !== 'string') {
    throw new Error('The record of processed content is corrupt: it must hold a version and a time.');
  }
  return {
    at,
    version,
    updated: typeof updated === 'number' ? updated : undefined,
    deleted: deleted === true ? true : undefined,
    isBaseline: isOld === true ? true : undefined,
    storedAt: at,
  };
}

/**
 * Whether a key is newer than the processed version. Only dates count: a hub may serialize the same entry differently
 * than its topic does.
 */
export function isNewVersion(
  processed: Pick<ProcessedVersion, 'updated' | 'deleted'>,
  dedupeKey: Pick<ProcessedVersion, 'updated' | 'deleted'>,
): boolean {
  const isNowDeleted = dedupeKey.deleted === true && processed.deleted !== true;
  return isNowDeleted || isBefore(processed, dedupeKey);
}

/** Whether both have a date and the first is the older. */
export function isBefore(one: Pick<ProcessedVersion, 'updated'>, other: Pick<ProcessedVersion, 'updated'>): boolean {
  return one.updated !== undefined && other.updated !== undefined && one.updated < other.updated;
}
