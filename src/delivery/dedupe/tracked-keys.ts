import { whenIdle } from '../../feed/parse/parse.js';
import { mapAwaitable, type Awaitable } from '../message/awaitable.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import { entryDedupeKeys, dedupeKeysOfReadEntries, type ContentDistributionMessage } from '../message/message.js';
import { isBodyKey, type DedupeKey } from './dedupe-key.js';

/** Whether a service tracks processed content: it sets `dedupe` or `pollSeconds`. */
export function isTracked({ dedupe, pollSeconds }: CheckedDeliveryConfig): boolean {
  return dedupe !== false || pollSeconds > 0;
}

/** Whether the entries of all events of a service are tracked. */
export function tracksEntries({ dedupe, pollSeconds }: CheckedDeliveryConfig): boolean {
  return dedupe === 'entries' || pollSeconds > 0;
}

/**
 * Returns the dedupe keys to track for an event; no promise if parsing is quick. Never throws, never rejects. An
 * empty body has none, because each one reports new content (PROTOCOL C5).
 *
 * @param entries the dedupe keys of its entries, if known
 */
export function trackedKeysOf(
  delivery: CheckedDeliveryConfig,
  event: ContentDistributionMessage,
  entries?: readonly DedupeKey[],
): Awaitable<readonly DedupeKey[]> {
  if (event.bytes().byteLength === 0) return [];
  const entryKeys = tracksEntries(delivery) ? (entries ?? entryKeysOf(event)) : [];
  return mapAwaitable(entryKeys, (dedupeKeys) => withBodyKey(delivery, event, dedupeKeys));
}

/** Returns the entries a handler has processed: those it read, or all entries of fetched content. Never rejects. */
export function processedEntryKeys(event: ContentDistributionMessage): Awaitable<readonly DedupeKey[]> {
  const read = dedupeKeysOfReadEntries(event) ?? (event.source === 'hub' ? [] : entryKeysOf(event));
  // Unreadable entries are not recorded.
  return read instanceof Promise ? read.catch(() => []) : read;
}

/** The keys that decide whether an event is a duplicate for a service. */
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

/** An unparsable body has no entry keys and is compared as a whole. At worst the handler gets a duplicate. */
function entryKeysOf(event: ContentDistributionMessage): Awaitable<readonly DedupeKey[]> {
  try {
    const dedupeKeys = entryDedupeKeys(event);
    return dedupeKeys instanceof Promise
      ? dedupeKeys.catch((error: unknown) => retryAfterParsing(event, error))
      : dedupeKeys;
  } catch {
    return [];
  }
}

/** Retries when the parser is idle. The first attempt may have failed because the parser's queue was full. */
async function retryAfterParsing(event: ContentDistributionMessage, error: unknown): Promise<readonly DedupeKey[]> {
  if (error instanceof SyntaxError || error instanceof RangeError) return [];
  await whenIdle();
  try {
    return await entryDedupeKeys(event);
  } catch {
    return [];
  }
}
