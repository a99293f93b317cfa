import { ResourceDiscoveryFailedError } from '../../errors.js';
import type { TopicContent } from '../../hub/discovery/fetch-topic.js';
import { decodeText } from '../../protocol/encoding/charset.js';
import { sniffFormat, type DocumentFormat } from '../../protocol/links/document-format.js';
import { parseMediaType } from '../../protocol/encoding/media-type.js';

/** Looked at of a document to tell what it is, in bytes. */
const SNIFFED_BYTES = 65_536;

/** By these a publisher says that a URL is not for us. After any other answer it may be, later. */
const UNREADABLE_STATUSES: ReadonlySet<number | undefined> = new Set([401, 403, 404, 410]);

/** Whether a URL could not be read for a reason that does not pass by itself. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof ResourceDiscoveryFailedError && UNREADABLE_STATUSES.has(error.status);
}

/** Whether content is an HTML page, whatever its type says. */
export function isHtml(content: TopicContent): boolean {
  return formatOf(content) === 'html';
}

/** Whether content is a feed, whatever its type says. */
export function isFeed(content: TopicContent): boolean {
  const format = formatOf(content);
  return format === 'xml' || format === 'json-feed';
}

function formatOf({ headers, body }: TopicContent): DocumentFormat | undefined {
  const contentType = headers.find(([name]) => name === 'content-type')?.[1];
  const text = decodeText(body.subarray(0, SNIFFED_BYTES), contentType);
  return sniffFormat(text, parseMediaType(contentType ?? null));
}
