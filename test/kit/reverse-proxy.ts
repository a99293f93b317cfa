import { request as send } from 'node:http';
import { onTestFinished } from 'vitest';
import { startHttpServer } from './http-server.js';

/** A reverse proxy on loopback. */
export interface ReverseProxy {
  /** Its URL, with the prefix. */
  readonly url: string;
  /** The paths of the forwarded requests, without the prefix. */
  readonly forwardedPaths: readonly string[];
}

/** Starts a reverse proxy that strips a prefix from paths and forwards to a port. Other paths get 404. */
export async function startReverseProxy(prefix: string, port: number): Promise<ReverseProxy> {
  const forwardedPaths: string[] = [];
  const server = await startHttpServer((request, response) => {
    const { method, url = '', headers } = request;
    if (!url.startsWith(`${prefix}/`)) {
      response.writeHead(404).end();
      return;
    }
    const path = url.slice(prefix.length);
    forwardedPaths.push(path);
    const forwarded = send({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.writeHead(502).end());
    request.pipe(forwarded);
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { url: `${server.url}${prefix}`, forwardedPaths };
}
