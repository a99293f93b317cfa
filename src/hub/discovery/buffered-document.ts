import { joined } from '../../feed/parse/concat-bytes.js';
import { sniffFormat } from '../../protocol/links/document-format.js';
import { isSameTopic } from '../../protocol/hub-query.js';
import { parseMediaType } from '../../protocol/encoding/media-type.js';
import type { OpenDocument, ReadingEnd } from './document.js';
import { topicContent, type TopicContent } from './fetch-topic.js';

/** Takes the topic's content, where discovery has it at hand: the first poll need not fetch it again. */
export interface TopicKeeper {
  readonly maxBytes: number;
  readonly take: (topic: string, content: TopicContent) => void;
}

/** A document that discovery reads, and whose bytes are kept. */
export interface KeptDocument {
  readonly document: OpenDocument;
  /** Reads the rest and hands the document over, if it is a feed and is the topic. Does not where reading fails or is slow. */
  handOver(topic: string): Promise<void>;
}

/** Milliseconds for what discovery does not need itself: its subscription waits for that. */
const REST_MS = 1_000;

/** Bytes that show what a document is. */
const BEGINNING = 16_384;

/** Keeps what is read of a document. */
export function keptDocument(document: OpenDocument, { maxBytes, take }: TopicKeeper): KeptDocument {
  const chunks: Uint8Array[] = [];
  let left = maxBytes;
  let end: ReadingEnd = 'enough';
  const read: OpenDocument['read'] = async (use, limit, signal) => {
    end = await document.read(
      (bytes) => {
        chunks.push(bytes);
        left -= bytes.byteLength;
        return use(bytes);
      },
      limit,
      signal,
    );
    return end;
  };
  return {
    document: { ...document, read },
    async handOver(topic) {
      const { url, headers } = document;
      if (!isSameTopic(topic, url)) return;
      try {
        if (end === 'enough' && left > 0) await read(() => false, left, AbortSignal.timeout(REST_MS));
      } catch {
        // Discovery has what it needs. The poll fetches the topic then, and tells what is wrong.
      }
      const body = await joined(chunks);
      if (end === 'complete' && left >= 0 && isFeed(body, headers.get('content-type')))
        take(topic, topicContent(document, body));
    },
  };
}

/** Discovery asks for pages as well as feeds. A page at the topic's URL may be another document there than the feed. */
function isFeed(body: Uint8Array, contentType: string | null): boolean {
  const beginning = Buffer.from(body.subarray(0, BEGINNING)).toString('latin1');
  const format = sniffFormat(beginning, parseMediaType(contentType));
  return format === 'xml' || format === 'json-feed';
}
