import { MAX_URL_LENGTH } from './document-urls.js';
import type { TopicLinks } from './topic-links.js';

/** The links that one document was found to have. */
export interface ReadLinks extends TopicLinks {
  /**
   * Alternate feeds that the head of a page lists, in document order, to be gone through once. Absent when there are none,
   * or a hub was found.
   */
  readonly feeds?: Iterable<string>;
  /** The bound at which reading ended; absent when there was none. */
  readonly cutAt?: string;
}

/** Reads links out of a document that arrives piece by piece. */
export interface LinkReader {
  /** Takes the next piece; true once nothing that follows could change the links. */
  write(text: string): boolean;
  /** What was found up to here; to be called once, after the last piece. */
  end(): ReadLinks;
}

/**
 * Elements nested deeper than this end the reading. Browsers cut at the same depth; the parser's cost grows with the
 * square of it.
 */
export const MAX_DEPTH = 512;

/** Elements of a feed that are read (PROTOCOL D12). */
export const MAX_ELEMENTS = 500_000;

/** Entries of a feed that are read (PROTOCOL D12). */
export const MAX_ENTRIES = 50_000;

/** Stands for a value that is longer than any that counts. */
const OVERLONG_VALUE = 'x'.repeat(MAX_URL_LENGTH + 1);

/**
 * The value of an attribute that is looked at. The parser puts a long one together from a million parts; it is not looked
 * at, as that takes long.
 */
export function boundedValue(value: string): string {
  return value.length > MAX_URL_LENGTH ? OVERLONG_VALUE : value;
}
