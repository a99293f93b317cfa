import { StoreError } from '../../errors.js';

/** The problem of a sealed record. The texts continue a sentence about the record. */
export const SEAL_PROBLEM = {
  sealedPartMissing: 'its sealed part is missing',
  sealedPartTruncated: 'its sealed part is truncated',
  unsealedPartMissing: 'its unsealed part is missing',
  changed: 'it was changed after it was sealed, or it was sealed for another record',
  unknownLayout: (layout: number | undefined, known: number) =>
    `it is sealed in layout ${layout}; this websub-subscriber reads layout ${known}`,
} as const;

/** The error for a sealed record whose key is not configured. */
export function missingKeyError(
  location: string,
  record: string,
  keyId: string,
  configuredKeyIds: readonly string[],
): StoreError {
  const reason =
    configuredKeyIds.length === 0
      ? 'no seal key is configured'
      : `only other keys are configured (${configuredKeyIds.join(', ')})`;
  return new StoreError(
    `The store ${location} is sealed: the record ${record} needs the seal key ${keyId}, but ${reason}. Add that key to ` +
      'security.sealKey or to the environment variable WEBSUB_SEAL_KEY. With several keys, the first one seals and each ' +
      'one opens.',
  );
}

/** The error for a sealed record that cannot be opened. */
export function brokenSealError(record: string, problem: string, cause: unknown): StoreError {
  const message = `The sealed record ${record} cannot be opened: ${problem}. It was left unchanged.`;
  return new StoreError(message, cause === undefined ? {} : { cause });
}
