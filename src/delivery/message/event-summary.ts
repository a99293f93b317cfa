import { callbackSecrets, secretRedactor } from '../../hub/redaction/hub-text.js';
import { decodeText } from '../../protocol/encoding/charset.js';
import { FORM_TYPE, isJsonType, isTextType } from '../../protocol/encoding/media-type.js';
import type { Grant, Subscription } from '../../subscription/record/snapshot.js';
import type { EventSource } from './received-content.js';

/** Code points of the text in a summary. */
const MAX_CHARACTERS = 200;

/** Bytes of the content decoded for the text. A character takes four at most. */
const MAX_DECODED_BYTES = 2048;

/**
 * A summary of an event, as `console.log(event)` and `JSON.stringify(event)` write it. It contains no secret and no
 * callback.
 */
export interface EventSummary {
  readonly id: string;
  /** The service's name. */
  readonly service: string;
  readonly topic: string;
  readonly source: EventSource;
  /** The number of this handler run, from 1. */
  readonly attempt: number;
  /** The media type in lower case, without parameters. Empty without one. Cut after 200 characters, with `…`. */
  readonly contentType: string;
  /** Bytes of the content after its `Content-Encoding` is decoded. */
  readonly size: number;
  /** The first 200 characters, with `…` if there are more. Absent for binary content. */
  readonly text?: string;
}

/** The parts of an event that a summary needs. */
interface SummarizedEvent extends Pick<EventSummary, 'id' | 'source' | 'attempt' | 'contentType'> {
  readonly subscription: Pick<Subscription, 'service'>;
  readonly grant: Pick<Grant, 'topic' | 'callback'>;
  readonly undecodable: boolean;
  bytes(): Uint8Array;
}

/** Summarizes an event. Decodes only the beginning of its content. Never throws. */
export function eventSummary(event: SummarizedEvent, contentTypeHeader: string | undefined): EventSummary {
  const { id, subscription, grant, source, attempt, contentType } = event;
  const bytes = event.bytes();
  const text = event.undecodable ? undefined : beginningOf(bytes, contentType, contentTypeHeader);
  const redact = secretRedactor(callbackSecrets(grant.callback));
  const summary = {
    id,
    service: subscription.service,
    topic: grant.topic,
    source,
    attempt,
    contentType: shorten(contentType, redact),
    size: bytes.byteLength,
  };
  return text === undefined ? summary : { ...summary, text: shorten(text, redact) };
}

/** The beginning of the text; undefined if the content is binary. */
function beginningOf(bytes: Uint8Array, type: string, header: string | undefined): string | undefined {
  const isText = isJsonType(type) || isTextType(type) || type === FORM_TYPE;
  if (!isText && type !== '') return undefined;
  const text = decodeText(bytes.subarray(0, MAX_DECODED_BYTES), header);
  const isWhole = bytes.byteLength <= MAX_DECODED_BYTES;
  // The cut may split the last character.
  const wholeCharacters = isWhole ? text : text.replace(/\uFFFD$/u, '');
  // oxlint-disable-next-line no-control-regex -- binary content contains control characters
  const isBinary = isText ? wholeCharacters.includes('\0') : /[\0-\x08\x0E-\x1A\x1C-\x1F\uFFFD]/u.test(wholeCharacters);
  return isBinary ? undefined : wholeCharacters;
}

/** Shortens a text. A hub may have written the callback into it, and a cut callback would not be recognized. */
function shorten(text: string, redact: (text: string) => string): string {
  const characters = Array.from(redact(text));
  return characters.length > MAX_CHARACTERS ? `${characters.slice(0, MAX_CHARACTERS).join('')}…` : characters.join('');
}
