import type { FeedAuthor } from '../feed.js';

/** The authors that entries take from their feed have at most this length together, in characters. */
const MAX_TOTAL_LENGTH = 16 * 1024 * 1024;

/** The cost of an author besides its texts: an object with members. */
const AUTHOR_LENGTH = 64;

const NO_AUTHORS: readonly FeedAuthor[] = [];

/**
 * The authors of a feed as the entries get them that name nobody. Each entry counts: a copy of the entries, as JSON for
 * example, repeats them for each. Once the limit is reached, entries get none.
 */
export function inheritedAuthors(
  authors: readonly FeedAuthor[],
  maxTotalLength = MAX_TOTAL_LENGTH,
): () => readonly FeedAuthor[] {
  let lengthLeft = maxTotalLength;
  const length = authors.reduce((sum, author) => sum + lengthOf(author), 0);
  return () => {
    lengthLeft -= length;
    return lengthLeft < 0 ? NO_AUTHORS : authors;
  };
}

function lengthOf({ name = '', url = '', email = '' }: FeedAuthor): number {
  return AUTHOR_LENGTH + name.length + url.length + email.length;
}
