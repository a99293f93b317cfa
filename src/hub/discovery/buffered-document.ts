import { concatBytes } from '../../feed/parse/concat-bytes.js';
import { sniffFormat } from '../../protocol/links/document-format.js';
import { isSameTopic } from '../../protocol/hub-query.js';
import { parseMediaType } from '../../protocol/encoding/media-type.js';
import type { OpenDocument, ReadOutcome } from './document.js';
import { topicContent, type TopicContent } from './fetch-topic.js';

/** Receives the topic's content if discovery has read it, so that the first poll need not fetch it again. */
export interface TopicContentSink {
  /** Maximum size of the content, in bytes. */
  readonly maxBytes: number;
  readonly take: (topic: string, content: TopicContent) => void;
}

/** A document that keeps the bytes that discovery reads. */
export interface BufferedDocument {
  readonly document: OpenDocument;
  /**
   * Reads the remaining bytes and passes the document to the sink, if it is a feed and the topic. Skips a document that
   * fails, is too large, or takes longer than 1 s.
   */
  emit(topic: string): Promise<void>;
}

/** Milliseconds to read the bytes that discovery does not need. The subscription waits meanwhile. */
const MAX_REMAINDER_MS = 1_000;

/** Bytes to look at for the format of a document. */
const SNIFFED_BYTES = 16_384;

/** Wraps a document so that it keeps the bytes that are read. */
export function bufferDocument(document: OpenDocument, sink: TopicContentSink): BufferedDocument {
  const chunks: Uint8Array[] = [];
  let bytesLeft = sink.maxBytes;
  let outcome: ReadOutcome = 'enough';
  const read: OpenDocument['read'] = async (take, limit, signal) => {
    outcome = await document.read(
      (bytes) => {
        chunks.push(bytes);
        bytesLeft -= bytes.byteLength;
        return take(bytes);
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
        if (outcome === 'enough' && bytesLeft > 0)
          await read(() => false, bytesLeft, AbortSignal.timeout(MAX_REMAINDER_MS));
      } catch {
        // Discovery has all it needs. The poll fetches the topic and reports the error.
      }
      const body = await concatBytes(chunks);
      if (outcome === 'complete' && bytesLeft >= 0 && looksLikeFeed(body, headers.get('content-type')))
        sink.take(topic, topicContent(document, body));
    },
  };
}

/** Whether the body is a feed. One URL may serve a page to discovery, which accepts pages, and a feed to a poll. */
function looksLikeFeed(body: Uint8Array, contentType: string | null): boolean {
  const beginning = Buffer.from(body.subarray(0, SNIFFED_BYTES)).toString('latin1');
  const format = sniffFormat(beginning, parseMediaType(contentType));
  return format === 'xml' || format === 'json-feed';
}
