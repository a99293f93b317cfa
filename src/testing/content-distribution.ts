import { delayOf } from './fault-layer.js';
import { signatureHeader } from './signature-header.js';
import type { Delivery } from './delivery.js';
import type { HubContext } from './hub-context.js';
import type { HubSubscription } from './subscription-table.js';

/** What is published. */
export interface Content {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/**
 * Sends content to every subscriber of a topic that is verified and within its lease (WebSub section 7), once and at the
 * same time. A callback that answers 410 ends its subscription.
 */
export function distribute(context: HubContext, topic: string, content: Content): Promise<Delivery[]> {
  return Promise.all(context.subscriptions.active(topic).map((to) => deliver(context, to, content)));
}

async function deliver(context: HubContext, to: HubSubscription, { body, contentType }: Content): Promise<Delivery> {
  const faults = context.faultsOf(to.topic);
  const algorithm = faults.algorithm ?? (context.protocol === 'websub' ? 'sha256' : 'sha1');
  const signature = signatureHeader(body, to.secret, algorithm, faults.signature ?? 'valid');
  const headers = {
    'content-type': contentType,
    link: `<${context.url}>; rel="hub", <${to.topic}>; rel="self"`,
    ...(signature !== undefined && { 'x-hub-signature': signature }),
  };
  const sent = { method: 'POST', url: to.callback, headers, body } as const;
  const delivery = await context.send('content', to, sent, delayOf(faults, 'content'));
  if (delivery.status === 410) context.subscriptions.ended(to, 'gone');
  return delivery;
}
