import { createHash } from 'node:crypto';
import { entryVersions } from '../feed/entry-versions.js';
import type { DeliveryConfig } from './delivery-config.js';
import type { ContentDistributionMessage } from './message.js';

/** A longer body is told from others as a whole: to parse it would keep every hub waiting. */
const LONGEST_FEED_BYTES = 1024 * 1024;

/**
 * What makes two pieces of news of one subscription the same, in hex: their bodies, or, of a feed, each entry as it stands.
 * Nothing where nobody wants to know; nor of an empty body, which says each time that there is news (PROTOCOL C5).
 */
export async function digestsOf(
  dedupe: Required<DeliveryConfig>['dedupe'],
  subscriptionId: string,
  event: ContentDistributionMessage,
): Promise<readonly string[]> {
  if (dedupe === false || event.bytes().byteLength === 0) return [];
  const isParsed = dedupe === 'entries' && event.bytes().byteLength <= LONGEST_FEED_BYTES;
  const versions = isParsed ? await entryVersions(event.text()) : undefined;
  if (versions === undefined) return [event.digest];
  return versions.map((version) => createHash('sha256').update(`${subscriptionId}\n${version}`).digest('hex'));
}
