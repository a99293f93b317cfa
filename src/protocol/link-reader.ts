import type { TopicLinks } from './topic-links.js';

/** Reads links out of a document that arrives piece by piece. */
export interface LinkReader {
  /** Takes the next piece; true once nothing that follows could change the links. */
  write(text: string): boolean;
  /** What was found up to here; to be called once, after the last piece. */
  end(): TopicLinks;
}

/**
 * Elements nested deeper than this end the reading. Browsers cut at the same depth; the parser's cost grows with the
 * square of it.
 */
export const MAX_DEPTH = 512;
