import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { TestHub } from '../../src/testing/index.js';
import type { TestHubOptions } from '../../src/testing/index.js';

export interface CallbackRequest {
  readonly method: string;
  readonly target: string;
  readonly query: URLSearchParams;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

export interface CallbackAnswer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export type AnswerCallback = (request: CallbackRequest) => CallbackAnswer | 'hang' | 'reset';

/** A callback server as short as one can be: it remembers what it gets and answers what it is told to. */
export interface PlainSubscriber {
  readonly origin: string;
  /** A callback of this server. */
  readonly callback: string;
  readonly requests: CallbackRequest[];
  answer: AnswerCallback;
}

/** Confirms whatever is asked, accepts whatever is sent. */
export const compliant: AnswerCallback = ({ query }) => {
  const challenge = query.get('hub.challenge');
  return challenge === null ? { status: 202 } : { status: 200, body: challenge };
};

export async function plainSubscriber(
  answer: AnswerCallback = compliant,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<PlainSubscriber> {
  const server: Server = tls ? createTlsServer(tls) : createServer();
  const requests: CallbackRequest[] = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const subscriber: PlainSubscriber = { origin, callback: `${origin}/callback`, requests, answer };

  server.on('request', (message, response) => {
    void (async () => {
      const target = message.url ?? '';
      const { searchParams: query } = new URL(target, origin);
      const { method = '', headers } = message;
      const request = { method, target, query, headers, body: await buffer(message) };
      requests.push(request);
      const given = subscriber.answer(request);
      if (given === 'reset') message.socket.destroy();
      else if (given !== 'hang') response.writeHead(given.status, given.headers).end(given.body);
    })();
  });
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return subscriber;
}

export async function startHub(options?: TestHubOptions): Promise<TestHub> {
  const hub = await TestHub.start(options);
  onTestFinished(() => hub.close());
  return hub;
}

/** Sends a form to a hub; redirects are not followed. */
export function post(hub: { readonly url: string }, form: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(hub.url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
}

/** Asks a hub for a subscription. */
export function subscribe(
  hub: { readonly url: string },
  topic: { readonly self: string },
  callback: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return post(hub, { 'hub.mode': 'subscribe', 'hub.topic': topic.self, 'hub.callback': callback, ...more });
}
