import { MAX_URL_LENGTH } from './document-urls.js';
import type { TopicLinks } from './topic-links.js';

/** The links of one document. */
export interface ReadLinks extends TopicLinks {
  /**
   * Alternate feeds in the head of a page, in document order. Iterate only once. Absent when there are none, or a hub
   * was found.
   */
  readonly feeds?: Iterable<string>;
  /** The bound that stopped the reading; absent when none did. */
  readonly cutAt?: string;
}

/** Reads the links of a document that arrives in chunks. */
export interface LinkReader {
  /** Reads the next chunk. Returns true once later text cannot change the links. */
  write(text: string): boolean;
  /** Returns the links found so far. Call once, after the last chunk. */
  end(): ReadLinks;
}

/**
 * Reading stops at deeper nesting. Browsers use the same limit, and the parser's cost grows with the square of the
 * depth.
 */
export const MAX_DEPTH = 512;

/** The most elements read of a feed (PROTOCOL D12). */
export const MAX_ELEMENTS = 500_000;

/** The most entries read of a feed (PROTOCOL D12). */
export const MAX_ENTRIES = 50_000;

/** Replaces every value that is too long to be used. */
const OVERLONG_VALUE = 'x'.repeat(MAX_URL_LENGTH + 1);

/**
 * Bounds an attribute value. The parser builds a long value from up to a million parts, and reading it would join them,
 * which takes long.
 */
export function boundedValue(value: string): string {
  return value.length > MAX_URL_LENGTH ? OVERLONG_VALUE : value;
}
