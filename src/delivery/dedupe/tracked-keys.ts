import { whenParsed } from '../../feed/parse/parse.js';
import { after, type Awaitable } from '../message/awaitable.js';
import type { CheckedDeliveryConfig } from '../delivery-config.js';
import { piecesIn, readPiecesOf, type ContentDistributionMessage } from '../message/message.js';
import { isWhole, type Piece } from './dedupe-key.js';

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
export function piecesOf(
  delivery: CheckedDeliveryConfig,
  event: ContentDistributionMessage,
  entries?: readonly Piece[],
): Awaitable<readonly Piece[]> {
  if (event.bytes().byteLength === 0) return [];
  const areEntriesWanted = delivery.dedupe === 'entries' || delivery.pollSeconds > 0;
  const found = areEntriesWanted ? (entries ?? entriesIn(event)) : [];
  return after(found, (pieces) => withBody(delivery, event, pieces));
}

/** The entries that a handler has had: those it has read, and all that were fetched from the topic for it. Never rejects. */
export function entriesHad(event: ContentDistributionMessage): Awaitable<readonly Piece[]> {
  const read = readPiecesOf(event) ?? (event.source === 'hub' ? [] : entriesIn(event));
  // Entries that cannot be read are not recorded.
  return read instanceof Promise ? read.catch(() => []) : read;
}

/** Those by which a service drops what comes once more. */
export function decisive({ dedupe }: CheckedDeliveryConfig, pieces: readonly Piece[]): readonly Piece[] {
  if (dedupe === false) return [];
  return dedupe === 'body' ? pieces.filter(isWhole) : pieces;
}

function withBody(
  { dedupe }: CheckedDeliveryConfig,
  event: ContentDistributionMessage,
  entries: readonly Piece[],
): readonly Piece[] {
  const isBodyWanted = dedupe === 'body' || (dedupe === 'entries' && entries.length === 0);
  return isBodyWanted ? [{ key: event.digest, version: '' }, ...entries] : entries;
}

/** A body that cannot be parsed is compared as a whole. The worst case is a duplicate. */
function entriesIn(event: ContentDistributionMessage): Awaitable<readonly Piece[]> {
  try {
    const pieces = piecesIn(event);
    return pieces instanceof Promise ? pieces.catch((error: unknown) => triedAgain(event, error)) : pieces;
  } catch {
    return [];
  }
}

/** Tries again when the documents that were before it are parsed: it may have been one too many. */
async function triedAgain(event: ContentDistributionMessage, error: unknown): Promise<readonly Piece[]> {
  if (error instanceof SyntaxError || error instanceof RangeError) return [];
  await whenParsed();
  try {
    return await piecesIn(event);
  } catch {
    return [];
  }
}
