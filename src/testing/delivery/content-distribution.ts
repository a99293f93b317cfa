import { createHmac } from 'node:crypto';
import { isSuccess } from './callback-client.js';
import type { Delivery } from './delivery.js';
import type { SignatureFault, SignatureMethod } from '../faults/hub-faults.js';
import type { HubContext } from '../hub-context.js';
import type { HubSubscription } from '../subscriptions/subscription-table.js';

/** What is published. */
export interface Content {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Sent in place of the hub's own headers of that name, and besides; `undefined` leaves one out. */
  readonly headers: ContentHeaders;
}

/** Headers of content, by name in any case. */
export type ContentHeaders = Readonly<Record<string, string | undefined>>;

/**
 * Sends content to every subscriber of a topic that is verified and within its lease (WebSub section 7), once and at the
 * same time. A callback that answers 410 ends its subscription. A hub that is silent sends nothing.
 */
export async function distribute(context: HubContext, topic: string, content: Content): Promise<Delivery[]> {
  if (context.faultsOf(topic).silent) return [];
  return Promise.all(context.subscriptions.active(topic).map((to) => deliver(context, to, content)));
}

async function deliver(context: HubContext, to: HubSubscription, content: Content): Promise<Delivery> {
  const { body, contentType } = content;
  const faults = context.faultsOf(to.topic);
  const algorithm = faults.algorithm ?? (context.protocol === 'websub' ? 'sha256' : 'sha1');
  const signature = signatureHeader(body, to.secret, algorithm, faults.signature ?? 'valid');
  const own = {
    'content-type': contentType,
    link: `<${context.url}>; rel="hub", <${to.topic}>; rel="self"`,
    ...(signature !== undefined && { 'x-hub-signature': signature }),
  };
  const sent = { method: 'POST', url: to.callback, headers: merged(own, content.headers), body } as const;
  const { retries = 0, dropOnFailure = false } = faults;
  let delivery = await context.send('content', to, sent);
  for (let retry = 0; retry < retries && !isFinal(delivery); retry += 1) {
    delivery = await context.send('content', to, sent);
  }
  if (delivery.status === 410 || (dropOnFailure && !isSuccess(delivery))) context.subscriptions.end(to, 'gone');
  return delivery;
}

const isFinal = (delivery: Delivery): boolean => isSuccess(delivery) || delivery.status === 410;

function merged(own: Readonly<Record<string, string>>, given: ContentHeaders): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { ...own };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) delete headers[name.toLowerCase()];
    else headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** The value of `X-Hub-Signature` for a body (WebSub section 7.1), or undefined where none is sent. */
function signatureHeader(
  body: Uint8Array,
  secret: string | undefined,
  method: SignatureMethod,
  fault: SignatureFault,
): string | undefined {
  const digest = (key: string): string => createHmac(method, key).update(body).digest('hex');
  if (fault === 'wrong') return `${method}=${digest(`not ${secret ?? 'a secret'}`)}`;
  if (fault === 'malformed') return digest(secret ?? '');
  return fault === 'missing' || secret === undefined ? undefined : `${method}=${digest(secret)}`;
}
