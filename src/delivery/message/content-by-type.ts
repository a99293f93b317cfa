import { FORM_TYPE, isJsonType, isTextType } from '../../protocol/encoding/media-type.js';
import type { ContentDistributionMessage } from './message.js';

/** The body of an event as its media type says it is. */
export function contentByType(
  event: Pick<ContentDistributionMessage, 'contentType' | 'json' | 'form' | 'text' | 'bytes'>,
): unknown {
  const { contentType } = event;
  if (isJsonType(contentType)) return event.json();
  if (contentType === FORM_TYPE) return Object.fromEntries(event.form());
  if (isTextType(contentType)) return event.text();
  return event.bytes();
}
