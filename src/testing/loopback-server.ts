import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { once } from 'node:events';
import { ListenerError } from '../errors.js';
import type { PendingTasks } from './pending-tasks.js';

/** The hub's response to a request. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Cuts the connection instead of responding. @default false */
  readonly isReset?: boolean;
  /** Runs after the response was sent or the connection closed. */
  readonly afterwards?: () => Promise<unknown>;
}

export interface LoopbackServerOptions {
  /** Port to listen on; 0 picks a free one. */
  readonly port: number;
  readonly tls: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined;
}

export interface LoopbackServer {
  readonly port: number;
  /** Starts answering requests. */
  serve(tasks: PendingTasks, answer: (message: IncomingMessage) => Promise<Answer>): void;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

/**
 * Listens on 127.0.0.1.
 *
 * @throws ListenerError when it cannot listen
 */
export async function listenOnLoopback({ port, tls }: LoopbackServerOptions): Promise<LoopbackServer> {
  const server = tls ? createHttpsServer(tls) : createHttpServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch (cause) {
    const hint = 'Omit the port to use a free one.';
    throw new ListenerError(`The test hub cannot listen on 127.0.0.1:${port}: ${String(cause)}. ${hint}`, { cause });
  }
  return {
    port: portOf(server),
    serve(tasks, answer) {
      server.on('request', (message: IncomingMessage, response: ServerResponse) => {
        tasks.run(() => respond(response, () => answer(message)));
      });
    },
    close: () => closeServer(server),
  };
}

async function respond(response: ServerResponse, answer: () => Promise<Answer>): Promise<void> {
  try {
    const closed = new Promise((resolve) => response.once('close', resolve));
    const { status, headers, body = '', isReset = false, afterwards } = await answer();
    if (isReset) response.destroy();
    else response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(body);
    await closed;
    await afterwards?.();
  } finally {
    response.destroy();
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
