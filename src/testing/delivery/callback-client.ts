import { Agent, request } from 'undici';
import { WebSubError } from '../../errors.js';
import { headersFrom } from '../header-record.js';
import type { Delivery, SentRequest } from './delivery.js';
import type { SubscriptionKey } from '../subscriptions/subscription-table.js';

export interface CallbackClientOptions {
  readonly timeoutMs: number;
  /** Certificate to trust over https, in place of the authorities Node trusts. */
  readonly ca: string | Buffer | undefined;
  readonly now: () => number;
}

/** Sends requests to callbacks. Does not follow redirects: to a hub they are failures (WebSub sections 5.3.1 and 7). */
export interface CallbackClient {
  /** @param wait awaited before the request is sent */
  send(kind: Delivery['kind'], to: SubscriptionKey, sent: SentRequest, wait: () => Promise<void>): Promise<Delivery>;
  /** Aborts pending requests. */
  close(): Promise<void>;
}

export function createCallbackClient({ timeoutMs, ca, now }: CallbackClientOptions): CallbackClient {
  // No keep-alive: a subscriber that stops must not find an idle connection of the hub still open.
  const agent = new Agent({ pipelining: 0, connect: ca === undefined ? {} : { ca } });

  const exchange = async (
    sent: SentRequest,
    wait: () => Promise<void>,
  ): Promise<Pick<Delivery, 'status' | 'headers' | 'body'>> => {
    await wait();
    const signal = AbortSignal.timeout(timeoutMs);
    const { method, headers, body: content } = sent;
    const answer = await request(sent.url, { method, headers, body: content ?? null, dispatcher: agent, signal });
    return { status: answer.statusCode, headers: headersFrom(answer.headers), body: await answer.body.text() };
  };

  return {
    async send(kind, { topic, callback }, sent, wait) {
      const context = { kind, callback, topic, sent };
      try {
        return { ...context, ...(await exchange(sent, wait)), error: undefined, at: new Date(now()) };
      } catch (cause) {
        const error = new WebSubError(`The callback did not answer: ${String(cause)}`, { cause });
        return { ...context, status: undefined, headers: new Headers(), body: '', error, at: new Date(now()) };
      }
    },
    close: () => agent.destroy(),
  };
}

/** Whether the response is a 2xx. */
export function isSuccess({ status }: Delivery): boolean {
  return status !== undefined && status >= 200 && status < 300;
}
