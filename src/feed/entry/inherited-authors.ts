import type { FeedAuthor } from '../feed.js';

/** Limit of the total length of authors that entries inherit from their feed, in characters. */
const MAX_TOTAL_LENGTH = 16 * 1024 * 1024;

/** The cost of an author object besides its texts, in characters. */
const AUTHOR_LENGTH = 64;

const NO_AUTHORS: readonly FeedAuthor[] = [];

/**
 * Returns a function that gives the feed's authors to one entry that names none. Every call counts toward the limit,
 * because a copy of the entries, for example as JSON, repeats the authors. Beyond the limit, entries get no authors.
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
