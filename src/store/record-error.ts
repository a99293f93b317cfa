import { StoreError } from '../errors.js';

/**
 * The error for a stored record that cannot be decoded.
 *
 * @param record its kind and id, such as `subscription abc`
 * @param problem continues the sentence, such as `it has no version`
 */
export function corruptRecordError(record: string, problem: string, cause?: unknown): StoreError {
  return new StoreError(
    `The record ${record} is corrupt: ${problem}. It was left unchanged. Repair or delete it.`,
    cause === undefined ? {} : { cause },
  );
}

/** The error for a stored record that a newer package version wrote. */
export function newerRecordError(record: string, version: number, newestVersion: number): StoreError {
  return new StoreError(
    `The record ${record} has version ${version}; this websub-subscriber reads versions up to ${newestVersion}. ` +
      'It was left unchanged. Upgrade websub-subscriber, or use another store.',
  );
}
