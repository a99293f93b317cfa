import { messageOf, type ReceptionFacts } from '../../../src/delivery/message/message-of.js';
import type { ContentDistributionMessage } from '../../../src/delivery/message/message.js';
import type { GenuineContent } from '../../../src/delivery/message/received-content.js';
import { entryOf, grant } from './reception.js';

export const SECRET = 'a long secret';
export const CALLBACK = 'https://me.example/websub/Zm9vYmFyYmF6cXV4Zm9v';

/** An event as a handler gets it, of a subscription with a secret. */
export function eventOf(
  body: string | Uint8Array,
  contentType?: string,
  { topic = grant.topic, ...content }: Partial<GenuineContent> & { readonly topic?: string } = {},
): ContentDistributionMessage {
  const headers: GenuineContent['headers'] = [
    ['X-Hub-Signature', 'sha256=abcdef'],
    ...(contentType === undefined ? [] : [['Content-Type', contentType] as const]),
  ];
  const given = { ...grant, topic, callback: CALLBACK, secrets: [{ value: SECRET, role: 'current' } as const] };
  const facts: ReceptionFacts = {
    id: 'e1',
    receivedAt: 0,
    attempt: 2,
    isAborted: false,
    source: 'hub',
    changeOf: () => 'new',
  };
  return messageOf(entryOf([given]), given, { headers, raw: Buffer.from(body), ...content }, facts);
}
