import { whenIdle } from '../../feed/parse/parse.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import { piecesIn, readPiecesOf, type ContentDistributionMessage } from '../message/message.js';
import { isBodyKey, type DedupeKey } from './dedupe-key.js';

/** Whether a service wants to know what it was handed before. */
export function isTracked({ dedupe, pollSeconds }: CheckedDeliveryConfig): boolean {
  return dedupe !== false || pollSeconds > 0;
}

/**
 * The pieces of an event that a service wants to know again; at once where that takes little time. Never throws, never
 * rejects. None of an empty body, which says each time that there is news (PROTOCOL C5).
 *
 * @param entries those of its entries, where they are known
 */
export function trackedKeysOf(
  delivery: CheckedDeliveryConfig,
  event: ContentDistributionMessage,
  entries?: readonly DedupeKey[],
): Awaitable<readonly DedupeKey[]> {
  if (event.bytes().byteLength === 0) return [];
  const areEntriesTracked = delivery.dedupe === 'entries' || delivery.pollSeconds > 0;
  const entryKeys = areEntriesTracked ? (entries ?? entryKeysOf(event)) : [];
  return mapAwaitable(entryKeys, (dedupeKeys) => withBodyKey(delivery, event, dedupeKeys));
}

/** The entries that a handler has had: those it has read, and all that were fetched from the topic for it. Never rejects. */
export function processedEntryKeys(event: ContentDistributionMessage): Awaitable<readonly DedupeKey[]> {
  const read = readPiecesOf(event) ?? (event.source === 'hub' ? [] : entryKeysOf(event));
  // Entries that cannot be read are not recorded.
  return read instanceof Promise ? read.catch(() => []) : read;
}

/** Those by which a service drops what comes once more. */
export function duplicateCheckKeys(
  { dedupe }: CheckedDeliveryConfig,
  dedupeKeys: readonly DedupeKey[],
): readonly DedupeKey[] {
  if (dedupe === false) return [];
  return dedupe === 'body' ? dedupeKeys.filter(isBodyKey) : dedupeKeys;
}

function withBodyKey(
  { dedupe }: CheckedDeliveryConfig,
  event: ContentDistributionMessage,
  entryKeys: readonly DedupeKey[],
): readonly DedupeKey[] {
  const isBodyTracked = dedupe === 'body' || (dedupe === 'entries' && entryKeys.length === 0);
  return isBodyTracked ? [{ key: event.digest, version: '' }, ...entryKeys] : entryKeys;
}

/** A body that cannot be parsed is compared as a whole. The worst case is a duplicate. */
function entryKeysOf(event: ContentDistributionMessage): Awaitable<readonly DedupeKey[]> {
  try {
    const dedupeKeys = piecesIn(event);
    return dedupeKeys instanceof Promise
      ? dedupeKeys.catch((error: unknown) => retryAfterParsing(event, error))
      : dedupeKeys;
  } catch {
    return [];
  }
}

/** Tries again when the documents that were before it are parsed: it may have been one too many. */
async function retryAfterParsing(event: ContentDistributionMessage, error: unknown): Promise<readonly DedupeKey[]> {
  if (error instanceof SyntaxError || error instanceof RangeError) return [];
  await whenIdle();
  try {
    return await piecesIn(event);
  } catch {
    return [];
  }
}
