/** The version of a piece that was seen last, and when. Times are epoch milliseconds. */
export interface Seen {
  readonly at: number;
  readonly version: string;
  readonly updated?: number | undefined;
  readonly deleted?: boolean | undefined;
  /** Whether its topic had it before anybody looked, so that no handler need have had it. */
  readonly isOld?: boolean | undefined;
  /** When it was written to the store. */
  readonly notedAt: number;
}

/**
 * What was seen, from the store.
 *
 * @throws Error for a record that is none
 */
export function seenOf(data: unknown): Seen {
  const fields: { readonly [Field in keyof Seen]?: unknown } = Object(data);
  const { at, version = '', updated, deleted, isOld } = fields;
  if (typeof at !== 'number' || !Number.isFinite(at) || typeof version !== 'string') {
    throw new Error('The record does not say what was seen, and when.');
  }
  return {
    at,
    version,
    updated: typeof updated === 'number' ? updated : undefined,
    deleted: deleted === true ? true : undefined,
    isOld: isOld === true ? true : undefined,
    notedAt: at,
  };
}

/**
 * Whether an entry is news to a handler that had another version of it. A hub may write the same entry otherwise than its topic
 * does, so only the dates tell which version is older.
 */
export function isNewsAfter(had: Pick<Seen, 'updated' | 'deleted'>, piece: Pick<Seen, 'updated' | 'deleted'>): boolean {
  const isNowDeleted = piece.deleted === true && had.deleted !== true;
  return isNowDeleted || isBefore(had, piece);
}

/** Whether both say when they are of, and the one is the older. */
export function isBefore(one: Pick<Seen, 'updated'>, other: Pick<Seen, 'updated'>): boolean {
  return one.updated !== undefined && other.updated !== undefined && one.updated < other.updated;
}
