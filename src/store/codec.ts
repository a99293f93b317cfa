import { StoreError } from '../errors.js';

/** A record as it lies in the store: its data, and the version of the data's shape. */
export interface VersionedRecord {
  readonly v: number;
  readonly data: unknown;
}

/** How data of a version becomes data of the next: `{ 1: fromOneToTwo, 2: fromTwoToThree }`. */
export type RecordUpgrades = Readonly<Record<number, (data: unknown) => unknown>>;

/** Stands in for a record that is there and cannot be opened. Decoding it throws the reason. */
export class UnreadableRecord {
  constructor(readonly reason: StoreError) {}
}

/** Tags a value with the version of its shape. */
export function encodeRecord(version: number, value: unknown): VersionedRecord {
  return { v: version, data: value };
}

/**
 * The data of a stored record in the shape of `currentVersion`, upgraded one version at a time. The caller still has
 * to check the shape. Nothing is written: what cannot be read stays as it is.
 *
 * @param key names the record in an error, such as `subscription abc`.
 * @throws StoreError for a record that a newer package wrote, for one that is corrupt, and for one that cannot be opened.
 */
export function decodeRecord(currentVersion: number, raw: unknown, upgrades: RecordUpgrades, key: string): unknown {
  if (raw instanceof UnreadableRecord) throw raw.reason;
  if (!isVersioned(raw)) throw corruptRecordError(key, 'it is not a versioned record');
  if (raw.v > currentVersion) {
    throw new StoreError(
      `The record ${key} has version ${raw.v}, written by a newer websub-subscriber; this one reads up to version ` +
        `${currentVersion}. Upgrade the package, or use another store. The record was left as it is.`,
    );
  }
  let data = raw.data;
  for (let version = raw.v; version < currentVersion; version += 1) {
    const upgrade = upgrades[version];
    if (upgrade === undefined) throw corruptRecordError(key, `nothing upgrades version ${version}`);
    try {
      data = upgrade(data);
    } catch (cause) {
      throw corruptRecordError(key, `its version ${version} could not be upgraded`, cause);
    }
  }
  return data;
}

function isVersioned(raw: unknown): raw is VersionedRecord {
  return (
    typeof raw === 'object' &&
    raw !== null &&
    'data' in raw &&
    'v' in raw &&
    Number.isSafeInteger(raw.v) &&
    Number(raw.v) > 0
  );
}

function corruptRecordError(key: string, why: string, cause?: unknown): StoreError {
  return new StoreError(`The record ${key} is corrupt: ${why}. It was left as it is; repair or delete it.`, { cause });
}
