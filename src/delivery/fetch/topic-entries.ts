import { forEachInSlices, filterInSlices } from '../../engine/slices.js';
import { parseVersionsSequentially } from '../../feed/parse/parse.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import { entryDedupeKey, type DedupeKey } from '../dedupe/dedupe-key.js';

/** An entry that a topic has. */
export interface TopicEntry {
  /** Its key in the feed. */
  readonly key: string;
  readonly dedupeKey: DedupeKey;
  /** When it was published or updated, whichever is later, in epoch milliseconds; undefined where it does not say. */
  readonly at: number | undefined;
}

/**
 * The entries of a topic that was fetched; none where it is no feed.
 *
 * @throws SyntaxError where it is broken, or XML that is no feed
 * @throws RangeError where it is over a bound of PROTOCOL D12, or takes too much memory or time
 * @throws Error where it could not be parsed now
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

/** Clocks differ, and what is published takes its time to appear, in milliseconds. */
const SLACK_MS = 3_600_000;

/** Entries published so long before the first verification are still delivered, in milliseconds. */
const FLOOR_SLACK_MS = 600_000;

/** What is new after a gap. Times are epoch milliseconds. */
export interface GapRule {
  /** Since when news may have been missed. */
  readonly since: number;
  /** When the subscription was first verified, or was created where that is not known. */
  readonly subscribedAt: number;
  readonly now: number;
  /** Whether all that was handed over is remembered. */
  readonly tracksEntries: boolean;
  /** Whether no handler has had an entry, as far as is remembered. */
  readonly isMissing: (piece: DedupeKey) => boolean;
}

/**
 * The entries that are new after a gap: those dated in it, undated ones, and, where all that was handed over is remembered,
 * whatever else was not. Nothing dated before the subscription began is new.
 */
export function entriesNewAfterGap(entries: readonly TopicEntry[], rule: GapRule): Promise<readonly TopicEntry[]> {
  const { since, subscribedAt, now, tracksEntries, isMissing } = rule;
  const gapStart = since - SLACK_MS;
  // A clock that was set back makes the subscription begin in the future: that says nothing of any entry.
  const floor = subscribedAt > now ? gapStart : subscribedAt - FLOOR_SLACK_MS;
  const earliest = tracksEntries ? floor : Math.max(gapStart, floor);
  return filterInSlices(entries, ({ dedupeKey, at = Infinity }) => at >= earliest && isMissing(dedupeKey));
}
