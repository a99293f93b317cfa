/** The version of a piece that was seen last, and when. Times are epoch milliseconds. */
export interface ProcessedVersion {
  readonly at: number;
  readonly version: string;
  readonly updated?: number | undefined;
  readonly deleted?: boolean | undefined;
  /** Whether its topic had it before anybody looked, so that no handler need have had it. */
  readonly isBaseline?: boolean | undefined;
  /** When it was written to the store. */
  readonly storedAt: number;
}

/** The stored form, with the field names that stores have had since version 0.1.0. */
interface StoredVersion extends Omit<ProcessedVersion, 'isBaseline' | 'storedAt'> {
  readonly isOld: ProcessedVersion['isBaseline'];
}

/** A processed version for the store. */
export function encodeProcessedVersion({ at, version, updated, deleted, isBaseline }: ProcessedVersion): StoredVersion {
  return { at, version, updated, deleted, isOld: isBaseline };
}

/**
 * A processed version from the store.
 *
 * @throws Error for any other record
 */
export function decodeProcessedVersion(data: unknown): ProcessedVersion {
  const fields: { readonly [Field in keyof StoredVersion]?: unknown } = Object(data);
  const { at, version = '', updated, deleted, isOld } = fields;
  if (typeof at !== 'number' || !Number.isFinite(at) || typeof version !== 'string') {
    throw new Error('The record does not say what was seen, and when.');
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
 * Whether an entry is news to a handler that had another version of it. A hub may write the same entry otherwise than its topic
 * does, so only the dates tell which version is older.
 */
export function isNewVersion(
  processed: Pick<ProcessedVersion, 'updated' | 'deleted'>,
  dedupeKey: Pick<ProcessedVersion, 'updated' | 'deleted'>,
): boolean {
  const isNowDeleted = dedupeKey.deleted === true && processed.deleted !== true;
  return isNowDeleted || isBefore(processed, dedupeKey);
}

/** Whether both say when they are of, and the one is the older. */
export function isBefore(one: Pick<ProcessedVersion, 'updated'>, other: Pick<ProcessedVersion, 'updated'>): boolean {
  return one.updated !== undefined && other.updated !== undefined && one.updated < other.updated;
}
