import { FORM_TYPE, isJsonType, isTextType } from '../../protocol/encoding/media-type.js';
import type { ContentDistributionMessage } from './message.js';
import type { EventSource } from './received-content.js';

/** The `type` of every CloudEvent from `toCloudEvent`: a content distribution (WebSub section 7). */
const CLOUD_EVENT_TYPE = 'org.w3.websub.content-distribution';

/** The `datacontenttype` of content whose `Content-Type` is missing or unreadable. */
const UNKNOWN_TYPE = 'application/octet-stream';

/** A media type without parameters (RFC 6838). */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/;

/** A CloudEvents 1.0 event in the JSON format. `JSON.stringify` writes it for the structured content mode. */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly type: 'org.w3.websub.content-distribution';
  /** The event's id. It is the same on every retry. */
  readonly id: string;
  /** The topic, as a URI reference. */
  readonly source: string;
  /** When the event was received (RFC 3339). */
  readonly time: string;
  /** The `Content-Type` with its parameters. `application/octet-stream` if it is missing or unreadable. */
  readonly datacontenttype: string;
  /** JSON content as its parsed value; text, XML and forms as a string. */
  readonly data?: unknown;
  /** All other content in base64: binary content, JSON that cannot be parsed, and content that cannot be decoded. */
  readonly data_base64?: string;
  /** The service's name. */
  readonly websubservice: string;
  /** The subscription's id. */
  readonly websubsubscription: string;
  /** How the content arrived. */
  readonly websubsource: EventSource;
  /** The number of this handler run, from 1. */
  readonly websubattempt: number;
}

/**
 * Converts an event to a CloudEvents 1.0 event, for a broker or a function that accepts them. The result contains no
 * secret and no callback. Never throws. JSON that cannot be parsed is sent as bytes, because text with a JSON type
 * would count as a JSON string.
 *
 * @example
 * ```ts
 * async onEventNotification(event: ContentDistributionMessage) {
 *   const body = JSON.stringify(toCloudEvent(event));
 *   await fetch(broker, { method: 'POST', headers: { 'content-type': 'application/cloudevents+json' }, body });
 * }
 * ```
 */
export function toCloudEvent(event: ContentDistributionMessage): CloudEvent {
  const { id, subscription, grant, source, attempt, receivedAt } = event;
  return {
    specversion: '1.0',
    type: CLOUD_EVENT_TYPE,
    id,
    source: uriReference(grant.topic),
    time: receivedAt.toISOString(),
    ...dataOf(event),
    websubservice: wellFormed(subscription.service),
    websubsubscription: subscription.id,
    websubsource: source,
    websubattempt: attempt,
  };
}

/** Content without a readable type, or with a `Content-Encoding` that could not be decoded, is sent as bytes. */
function dataOf(event: ContentDistributionMessage): Pick<CloudEvent, 'datacontenttype' | 'data' | 'data_base64'> {
  const { contentType: type, undecodable } = event;
  if (!MEDIA_TYPE.test(type)) return { datacontenttype: UNKNOWN_TYPE, ...inBase64(event) };
  const datacontenttype = fullType(event);
  if (undecodable) return { datacontenttype, ...inBase64(event) };
  // CloudEvents counts every `*/json` as JSON and would read its text as a JSON string.
  if (isJsonType(type) || type.endsWith('/json')) return { datacontenttype, ...jsonOf(event) };
  const isText = isTextType(type) || type === FORM_TYPE;
  return { datacontenttype, ...(isText ? { data: event.text() } : inBase64(event)) };
}

function jsonOf(event: ContentDistributionMessage): Pick<CloudEvent, 'data' | 'data_base64'> {
  try {
    return { data: event.json() };
  } catch {
    return inBase64(event);
  }
}

function inBase64(event: ContentDistributionMessage): Required<Pick<CloudEvent, 'data_base64'>> {
  const { buffer, byteOffset, byteLength } = event.bytes();
  return { data_base64: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

/** The type with its parameters. The type alone if these are not printable ASCII, or if several headers were sent. */
function fullType({ contentType, headers }: ContentDistributionMessage): string {
  const header = headers.get('content-type')?.trim() ?? '';
  return /^[\x20-\x7E]+$/.test(header) && !header.includes(',') ? header : contentType;
}

/** Percent-encodes characters that no URI contains, because some hubs use plain names as topics. */
function uriReference(topic: string): string {
  return wellFormed(topic)
    .replaceAll(/[^\w!#$%&'()*+,./:;=?@[\]~-]/gu, encodeURIComponent)
    .replaceAll(/%(?![\dA-F]{2})/gi, '%25');
}

/** Replaces lone surrogates, which cannot be encoded and are not allowed in an attribute. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
