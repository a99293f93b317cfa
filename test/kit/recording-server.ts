import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { Agent, buildConnector } from 'undici';
import { portOf } from './ports.js';

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

/** Starts a server that records each request with its body, then calls `answer`. It listens on 127.0.0.1 by default. */
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
  const port = portOf(server);
  const recordingServer: RecordingServer = {
    url: `${options.tls === true ? 'https' : 'http'}://${host}:${port}`,
    port,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return recordingServer;
}

/** An answer with a status, headers and a body. */
export const answerWith =
  (code: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (_request, response) => {
    response.writeHead(code, headers).end(body);
  };

/** A dispatcher that connects to this machine for every host name, at one port for http and one for https. */
export function everyHostHere(ports: { readonly http: number; readonly https: number }): Agent {
  const connect = buildConnector({ ca: certificate });
  return new Agent({
    connect: (options, callback) => {
      const port = options.protocol === 'https:' ? ports.https : ports.http;
      connect({ ...options, hostname: '127.0.0.1', port: String(port) }, callback);
    },
  });
}
