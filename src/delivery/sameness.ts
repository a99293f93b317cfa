import type { CheckedDeliveryConfig } from './delivery-config.js';
import { piecesIn, type ContentDistributionMessage } from './message.js';
import { isWhole, type Piece } from './piece.js';

/** A longer body that a hub sent is told from others as a whole, unless its service polls: to parse it keeps every hub waiting. */
const LONGEST_FEED_BYTES = 1024 * 1024;

/** Whether a service wants to know what it was handed before. */
export function isTracked({ dedupe, pollSeconds }: CheckedDeliveryConfig): boolean {
  return dedupe !== false || pollSeconds > 0;
}

/**
 * The pieces of an event that a service wants to know again. None of an empty body, which says each time that there is news
 * (PROTOCOL C5).
 */
export function piecesOf(
  { dedupe, pollSeconds }: CheckedDeliveryConfig,
  event: ContentDistributionMessage,
): readonly Piece[] {
  const size = event.bytes().byteLength;
  if (size === 0) return [];
  // What polling finds has to be known again, and no hub waits for what was fetched.
  const isLong = size > LONGEST_FEED_BYTES && pollSeconds === 0 && event.source === 'hub';
  const isFeedWanted = (dedupe === 'entries' || pollSeconds > 0) && !isLong;
  const entries = isFeedWanted ? entriesIn(event) : [];
  const isBodyWanted = dedupe === 'body' || (dedupe === 'entries' && entries.length === 0);
  return isBodyWanted ? [{ key: event.digest, version: '' }, ...entries] : entries;
}

/** Those by which a service drops what comes once more. */
export function decisive({ dedupe }: CheckedDeliveryConfig, pieces: readonly Piece[]): readonly Piece[] {
  if (dedupe === false) return [];
  return dedupe === 'body' ? pieces.filter(isWhole) : pieces;
}

function entriesIn(event: ContentDistributionMessage): readonly Piece[] {
  try {
    return piecesIn(event);
  } catch (error) {
    // What does not parse is told from others as a whole.
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
