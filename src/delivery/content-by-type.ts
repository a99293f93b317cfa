import type { ContentDistributionMessage } from './message.js';

/** The body of an event as its media type says it is. */
export function contentByType(
  event: Pick<ContentDistributionMessage, 'contentType' | 'json' | 'form' | 'text' | 'bytes'>,
): unknown {
  const { contentType } = event;
  if (contentType === 'application/json' || contentType.endsWith('+json')) return event.json();
  if (contentType === 'application/x-www-form-urlencoded') return Object.fromEntries(event.form());
  if (contentType.startsWith('text/') || contentType === 'application/xml' || contentType.endsWith('+xml')) {
    return event.text();
  }
  return event.bytes();
}
