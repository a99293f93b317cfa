import type { StoreError } from '../errors.js';
import { corruptRecordError, newerRecordError } from './record-error.js';

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
  if (!isVersioned(raw)) throw corruptRecordError(key, 'it has no valid version and data');
  if (raw.v > currentVersion) throw newerRecordError(key, raw.v, currentVersion);
  let data = raw.data;
  for (let version = raw.v; version < currentVersion; version += 1) {
    const upgrade = upgrades[version];
    if (upgrade === undefined) throw corruptRecordError(key, `version ${version} cannot be upgraded`);
    try {
      data = upgrade(data);
    } catch (cause) {
      throw corruptRecordError(key, `upgrading its version ${version} failed`, cause);
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
