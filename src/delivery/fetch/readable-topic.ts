import { ResourceDiscoveryFailedError } from '../../errors.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import { decodeText } from '../../protocol/encoding/charset.js';
import { sniffFormat, type DocumentFormat } from '../../protocol/links/document-format.js';
import { parseMediaType } from '../../protocol/encoding/media-type.js';

/** Bytes of a document that are read to detect its format. */
const SNIFFED_BYTES = 65_536;

/** Statuses that will not change by themselves. After any other status the URL may become readable later. */
const UNREADABLE_STATUSES: ReadonlySet<number | undefined> = new Set([401, 403, 404, 410]);

/** Whether an error says that a URL is unreadable for a lasting reason. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof ResourceDiscoveryFailedError && UNREADABLE_STATUSES.has(error.status);
}

/** Whether content is an HTML page, whatever its media type. */
export function isHtml(content: TopicContent): boolean {
  return formatOf(content) === 'html';
}

/** Whether content is a feed, whatever its media type. */
export function isFeed(content: TopicContent): boolean {
  const format = formatOf(content);
  return format === 'xml' || format === 'json-feed';
}

function formatOf({ headers, body }: TopicContent): DocumentFormat | undefined {
  const contentType = headers.find(([name]) => name === 'content-type')?.[1];
  const text = decodeText(body.subarray(0, SNIFFED_BYTES), contentType);
  return sniffFormat(text, parseMediaType(contentType ?? null));
}
