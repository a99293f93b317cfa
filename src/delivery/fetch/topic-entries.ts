import { forEachInSlices, filterInSlices } from '../../engine/slices.js';
import { parseVersionsSequentially } from '../../feed/parse/parse.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import { entryDedupeKey, type DedupeKey } from '../dedupe/dedupe-key.js';

/** An entry of a topic. */
export interface TopicEntry {
  /** Its key within the feed. */
  readonly key: string;
  readonly dedupeKey: DedupeKey;
  /** The later of published and updated, in epoch milliseconds; undefined if undated. */
  readonly at: number | undefined;
}

/**
 * Returns the entries of a fetched topic; none if it is not a feed.
 *
 * @throws SyntaxError when it is not well-formed, or is XML but no feed
 * @throws RangeError when it is over a bound of PROTOCOL D12, or takes too much memory or time
 * @throws Error when it could not be parsed now; a later call may succeed
 */
export async function topicEntries(
  { url, headers, body }: TopicContent,
  { subscriptionId }: { readonly subscriptionId: string },
): Promise<readonly TopicEntry[]> {
  const contentType = headers.find(([name]) => name === 'content-type')?.[1];
  const versions = await parseVersionsSequentially({ bytes: body, contentType, baseUrl: url, subscriptionId });
  const entries: TopicEntry[] = [];
  await forEachInSlices(versions, (version) => {
    entries.push({ key: version.key, dedupeKey: entryDedupeKey(version), at: version.at });
  });
  return entries;
}

/** Time added before a gap, in milliseconds. Clocks differ, and entries take time to appear. */
const SLACK_MS = 3_600_000;

/** Entries published up to this long before the first verification are still delivered, in milliseconds. */
const FLOOR_SLACK_MS = 600_000;

/** Decides which entries are new after a gap. Times are epoch milliseconds. */
export interface GapRule {
  /** Start of the gap. */
  readonly since: number;
  /** When the subscription was first verified, or created if that is unknown. */
  readonly subscribedAt: number;
  readonly now: number;
  /** Whether all processed entries are tracked. */
  readonly tracksEntries: boolean;
  /** Whether no handler has processed an entry, as far as is known. */
  readonly isMissing: (dedupeKey: DedupeKey) => boolean;
}

/**
 * Returns the entries that are new after a gap: not processed, and dated within the gap or undated. If entries are
 * tracked, the date does not matter. No entry from before the subscription is new.
 */
export function entriesNewAfterGap(entries: readonly TopicEntry[], rule: GapRule): Promise<readonly TopicEntry[]> {
  const { since, subscribedAt, now, tracksEntries, isMissing } = rule;
  const gapStart = since - SLACK_MS;
  // After the clock was set back, the subscription may start in the future. Its start then says nothing about
  // entries.
  const floor = subscribedAt > now ? gapStart : subscribedAt - FLOOR_SLACK_MS;
  const earliest = tracksEntries ? floor : Math.max(gapStart, floor);
  return filterInSlices(entries, ({ dedupeKey, at = Infinity }) => at >= earliest && isMissing(dedupeKey));
}
