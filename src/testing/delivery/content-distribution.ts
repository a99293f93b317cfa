import { createHmac } from 'node:crypto';
import { isSuccess } from './callback-client.js';
import type { Delivery } from './delivery.js';
import type { SignatureFault, SignatureMethod } from '../faults/hub-faults.js';
import type { HubContext } from '../hub-context.js';
import type { HubSubscription } from '../subscriptions/subscription-table.js';

/** Content to publish. */
export interface Content {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Additional headers. One with the name of a hub header replaces it; `undefined` removes it. */
  readonly headers: ContentHeaders;
}

/** Content headers by name. Names are case-insensitive. */
export type ContentHeaders = Readonly<Record<string, string | undefined>>;

/**
 * Sends content to every active subscriber of a topic, all at the same time (WebSub section 7). A 410 response ends the
 * subscription. A silent hub sends nothing.
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
  const defaults = {
    'content-type': contentType,
    link: `<${context.url}>; rel="hub", <${to.topic}>; rel="self"`,
    ...(signature !== undefined && { 'x-hub-signature': signature }),
  };
  const sent = { method: 'POST', url: to.callback, headers: merged(defaults, content.headers), body } as const;
  const { retries = 0, dropOnFailure = false } = faults;
  let delivery = await context.send('content', to, sent);
  for (let retry = 0; retry < retries && !isFinal(delivery); retry += 1) {
    delivery = await context.send('content', to, sent);
  }
  if (delivery.status === 410 || (dropOnFailure && !isSuccess(delivery))) context.subscriptions.end(to, 'gone');
  return delivery;
}

const isFinal = (delivery: Delivery): boolean => isSuccess(delivery) || delivery.status === 410;

function merged(
  defaults: Readonly<Record<string, string>>,
  overrides: ContentHeaders,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { ...defaults };
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) delete headers[name.toLowerCase()];
    else headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** Returns the `X-Hub-Signature` value of a body (WebSub section 7.1), or undefined when none is sent. */
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
