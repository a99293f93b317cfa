import { concatBytes } from '../../feed/parse/concat-bytes.js';
import { sniffFormat } from '../../protocol/links/document-format.js';
import { isSameTopic } from '../../protocol/hub-query.js';
import { parseMediaType } from '../../protocol/encoding/media-type.js';
import type { OpenDocument, ReadOutcome } from './document.js';
import { topicContent, type TopicContent } from './fetch-topic.js';

/** Takes the topic's content, where discovery has it at hand: the first poll need not fetch it again. */
export interface TopicContentSink {
  readonly maxBytes: number;
  readonly take: (topic: string, content: TopicContent) => void;
}

/** A document that discovery reads, and whose bytes are kept. */
export interface BufferedDocument {
  readonly document: OpenDocument;
  /** Reads the rest and hands the document over, if it is a feed and is the topic. Does not where reading fails or is slow. */
  emit(topic: string): Promise<void>;
}

/** Milliseconds for what discovery does not need itself: its subscription waits for that. */
const MAX_REST_MS = 1_000;

/** Bytes that show what a document is. */
const SNIFFED_BYTES = 16_384;

/** Keeps what is read of a document. */
export function bufferDocument(document: OpenDocument, { maxBytes, take }: TopicContentSink): BufferedDocument {
  const chunks: Uint8Array[] = [];
  let bytesLeft = maxBytes;
  let outcome: ReadOutcome = 'enough';
  const read: OpenDocument['read'] = async (use, limit, signal) => {
    outcome = await document.read(
      (bytes) => {
        chunks.push(bytes);
        bytesLeft -= bytes.byteLength;
        return use(bytes);
      },
      limit,
      signal,
    );
    return outcome;
  };
  return {
    document: { ...document, read },
    async emit(topic) {
      const { url, headers } = document;
      if (!isSameTopic(topic, url)) return;
      try {
        if (outcome === 'enough' && bytesLeft > 0) await read(() => false, bytesLeft, AbortSignal.timeout(MAX_REST_MS));
      } catch {
        // Discovery has what it needs. The poll fetches the topic then, and tells what is wrong.
      }
      const body = await concatBytes(chunks);
      if (outcome === 'complete' && bytesLeft >= 0 && isFeed(body, headers.get('content-type')))
        take(topic, topicContent(document, body));
    },
  };
}

/** Discovery asks for pages as well as feeds. A page at the topic's URL may be another document there than the feed. */
function isFeed(body: Uint8Array, contentType: string | null): boolean {
  const beginning = Buffer.from(body.subarray(0, SNIFFED_BYTES)).toString('latin1');
  const format = sniffFormat(beginning, parseMediaType(contentType));
  return format === 'xml' || format === 'json-feed';
}
