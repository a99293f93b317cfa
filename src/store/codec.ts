import { StoreError } from '../errors.js';

/** A stored record: its data and the version of the data's shape. */
export interface VersionedRecord {
  readonly v: number;
  readonly data: unknown;
}

/** Upgrades by version; each turns data of its version into the next: `{ 1: fromOneToTwo, 2: fromTwoToThree }`. */
export type RecordUpgrades = Readonly<Record<number, (data: unknown) => unknown>>;

/** Stands in for a stored record that cannot be opened. Decoding it throws the reason. */
export class UnreadableRecord {
  constructor(readonly reason: StoreError) {}
}

/** Tags a value with the version of its shape. */
export function encodeRecord(version: number, value: unknown): VersionedRecord {
  return { v: version, data: value };
}

/**
 * Returns the data of a stored record, upgraded one version at a time to `currentVersion`. The caller still checks the
 * shape. Nothing is written: an unreadable record stays unchanged.
 *
 * @param key names the record in an error, such as `subscription abc`.
 * @throws StoreError when a newer package wrote the record, or the record is corrupt or cannot be opened.
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
