import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Agent, buildConnector } from 'undici';

export const certificate = readFileSync(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8');
const key = readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url), 'utf8');

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface RecordingServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly requests: RecordedRequest[];
}

export type Answer = (request: RecordedRequest, response: ServerResponse) => void;

/** A server on 127.0.0.1 that keeps what it is sent and answers as told. */
export async function startServer(answer: Answer, options: { tls?: boolean; host?: string } = {}) {
  const requests: RecordedRequest[] = [];
  const listener: RequestListener = (incoming, response) => {
    void (async () => {
      const { method = '', url = '', headers } = incoming;
      const request = { method, path: url, headers, body: await text(incoming) };
      requests.push(request);
      answer(request, response);
    })();
  };
  const server = options.tls === true ? createTlsServer({ key, cert: certificate }, listener) : createServer(listener);
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo;
  const started: RecordingServer = {
    url: `${options.tls === true ? 'https' : 'http'}://${host}:${port}`,
    port,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return started;
}

/** Answers with a status, headers and a body. */
export const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (_request, response) => {
    response.writeHead(code, headers).end(body);
  };

/** A port nothing listens at. */
export async function closedPort(): Promise<number> {
  const server = await startServer(status(200));
  await server[Symbol.asyncDispose]();
  return server.port;
}

/** A dispatcher that takes every host for this machine, http and https each at a port of their own. */
export function everyHostHere(ports: { readonly http: number; readonly https: number }): Agent {
  const connect = buildConnector({ ca: certificate });
  return new Agent({
    connect: (options, callback) => {
      const port = options.protocol === 'https:' ? ports.https : ports.http;
      connect({ ...options, hostname: '127.0.0.1', port: String(port) }, callback);
    },
  });
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('was not rejected');
}
