import type { ContentDistributionMessage } from '../../../src/delivery/message/message.js';
import type { ReceivedContent } from '../../../src/delivery/message/received-content.js';
import { contextOf, grant, storedSubscription } from './event-fixtures.js';

export const SECRET = 'a long secret';
export const CALLBACK = 'https://me.example/websub/Zm9vYmFyYmF6cXV4Zm9v';

/** An event as a handler gets it, of a subscription with a secret. */
export function eventOf(
  body: string | Uint8Array,
  contentType?: string,
  { topic = grant.topic, ...content }: Partial<ReceivedContent> & { readonly topic?: string } = {},
): ContentDistributionMessage {
  const headers: ReceivedContent['headers'] = [
    ['X-Hub-Signature', 'sha256=abcdef'],
    ...(contentType === undefined ? [] : [['Content-Type', contentType] as const]),
  ];
  const eventGrant = { ...grant, topic, callback: CALLBACK, secrets: [{ value: SECRET, role: 'current' } as const] };
  const receivedContent = { headers, raw: Buffer.from(body), ...content };
  return contextOf(receivedContent, {
    id: 'e1',
    attempt: 2,
    subscription: storedSubscription([eventGrant]),
    grant: eventGrant,
  }).event;
}
