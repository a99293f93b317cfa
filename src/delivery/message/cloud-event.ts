import { FORM_TYPE, isJsonType, isTextType } from '../../protocol/encoding/media-type.js';
import type { ContentDistributionMessage } from './message.js';
import type { EventSource } from './received-content.js';

/** The type of every CloudEvent that `toCloudEvent` makes: a content distribution (WebSub section 7). */
const CLOUD_EVENT_TYPE = 'org.w3.websub.content-distribution';

/** The type of content whose `Content-Type` is missing or unreadable. */
const UNKNOWN_TYPE = 'application/octet-stream';

/** A media type alone, as RFC 6838 allows it. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/;

/** A CloudEvents 1.0 event in its JSON format. `JSON.stringify` gives the structured content mode. */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly type: 'org.w3.websub.content-distribution';
  /** The event's id: the same on every retry. */
  readonly id: string;
  /** The topic, as a URI reference. */
  readonly source: string;
  /** When the event was received, in RFC 3339. */
  readonly time: string;
  /** The `Content-Type` with its parameters; `application/octet-stream` where the hub sent none that can be read. */
  readonly datacontenttype: string;
  /** JSON content as its value; text, XML and forms as a string. */
  readonly data?: unknown;
  /** All other content, in base64: binary content, JSON that cannot be parsed, and a `Content-Encoding` that cannot be undone. */
  readonly data_base64?: string;
  /** The service's name. */
  readonly websubservice: string;
  /** The subscription's id. */
  readonly websubsubscription: string;
  readonly websubsource: EventSource;
  /** Which run of the handler this is, from 1. */
  readonly websubattempt: number;
}

/**
 * Makes a CloudEvents 1.0 event of an event, for a broker or a function that takes those. It has no secret and no callback.
 * It never throws: JSON that cannot be parsed goes as bytes, as text of a JSON type would count as a JSON string.
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

/** Content without a readable type is bytes, as is content whose encoding could not be undone. */
function dataOf(event: ContentDistributionMessage): Pick<CloudEvent, 'datacontenttype' | 'data' | 'data_base64'> {
  const { contentType: type, undecodable } = event;
  if (!MEDIA_TYPE.test(type)) return { datacontenttype: UNKNOWN_TYPE, ...inBase64(event) };
  const datacontenttype = fullType(event);
  if (undecodable) return { datacontenttype, ...inBase64(event) };
  // CloudEvents counts every `*/json` as JSON: its text would be read as a JSON string.
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

/** The type with its parameters, where they can stand in an attribute. Of several headers the first counts. */
function fullType({ contentType, headers }: ContentDistributionMessage): string {
  const written = headers.get('content-type')?.trim() ?? '';
  return /^[\x20-\x7E]+$/.test(written) && !written.includes(',') ? written : contentType;
}

/** Some hubs' topics are plain names: characters that no URI has are percent-encoded. */
function uriReference(topic: string): string {
  return wellFormed(topic)
    .replaceAll(/[^\w!#$%&'()*+,./:;=?@[\]~-]/gu, encodeURIComponent)
    .replaceAll(/%(?![\dA-F]{2})/gi, '%25');
}

/** Half a surrogate pair can neither be encoded nor stand in an attribute. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
