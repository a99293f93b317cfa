import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { listenOn } from './ports.js';

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

/** A minimal subscriber for tests of the hub: a callback that records its requests and sends the answer of the test. */
export interface PlainSubscriber {
  readonly origin: string;
  readonly callback: string;
  readonly requests: CallbackRequest[];
  answer: AnswerCallback;
}

/** Confirms every verification with 200 and accepts every delivery with 202. */
export const confirmAll: AnswerCallback = ({ query }) => {
  const challenge = query.get('hub.challenge');
  return challenge === null ? { status: 202 } : { status: 200, body: challenge };
};

export async function plainSubscriber(
  answer: AnswerCallback = confirmAll,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<PlainSubscriber> {
  const server: Server = tls ? createTlsServer(tls) : createServer();
  const requests: CallbackRequest[] = [];
  const port = await listenOn(server);
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const subscriber: PlainSubscriber = { origin, callback: `${origin}/callback`, requests, answer };

  server.on('request', (message, response) => {
    void (async () => {
      const target = message.url ?? '';
      const { searchParams: query } = new URL(target, origin);
      const { method = '', headers } = message;
      const request = { method, target, query, headers, body: await buffer(message) };
      requests.push(request);
      const chosen = subscriber.answer(request);
      if (chosen === 'reset') message.socket.destroy();
      else if (chosen !== 'hang') response.writeHead(chosen.status, chosen.headers).end(chosen.body);
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

/** Sends a form to a hub. Redirects are not followed. */
export function post(hub: { readonly url: string }, form: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(hub.url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
}

/** Sends a subscribe request to a hub. */
export function subscribe(
  hub: { readonly url: string },
  topic: { readonly self: string },
  callback: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return post(hub, { 'hub.mode': 'subscribe', 'hub.topic': topic.self, 'hub.callback': callback, ...parameters });
}
