import { createHash } from 'node:crypto';

/**
 * What tells the entries of a feed apart, and one version of an entry from another: a SHA-256 in hex for each entry of an
 * Atom, RSS, RDF or JSON feed. Undefined where the text is no feed, or has no entries.
 */
export async function entryVersions(text: string): Promise<readonly string[] | undefined> {
  const { parseFeed } = await import('feedsmith');
  let feed: object;
  try {
    ({ feed } = parseFeed(text));
  } catch {
    // It says so by throwing, whatever is wrong with it.
    return undefined;
  }
  const entries = 'entries' in feed ? feed.entries : 'items' in feed ? feed.items : undefined;
  if (!Array.isArray(entries) || entries.length === 0) return undefined;
  return entries.map((entry) => createHash('sha256').update(JSON.stringify(entry)).digest('hex'));
}
