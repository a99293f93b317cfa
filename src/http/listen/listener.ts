import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { ListenerError } from '../../errors.js';
import { onDemand } from '../../on-demand.js';
import { deferContinue } from '../body/expect-continue.js';

/** Milliseconds between checks for idle connections while closing. */
const IDLE_CHECK_MS = 20;

/**
 * A certificate and its key, and further options of `tls.createSecureContext` in node:tls.
 *
 * @example
 * const tls: TlsOptions = { cert: readFileSync('cert.pem'), key: readFileSync('key.pem') };
 */
export type TlsOptions = SecureContextOptions;

/** Options of a listener. */
export interface ListenOptions {
  readonly port: number;
  /** Undefined for all interfaces. */
  readonly host: string | undefined;
  readonly tls: TlsOptions | undefined;
  /** Maximum number of open connections. Further ones are closed at once. */
  readonly maxConnections: number;
  /** Called for each connection that is closed because there are too many. */
  readonly onDrop?: () => void;
  /** Called with errors while it listens, such as a connection that cannot be accepted. */
  readonly onError: (error: Error) => void;
}

/** A listening server of our own. */
export interface Listener {
  readonly port: number;
  /** Refuses new connections, and resolves when the open ones have ended. `force` ends them at once. */
  close(options?: { readonly force: boolean }): Promise<void>;
}

/**
 * Listens for callbacks.
 *
 * @throws ListenerError if it cannot listen. The message names the port, and the remedy if the port is in use or not
 *   permitted.
 */
export async function listen(
  handler: RequestListener,
  { port, host, tls, maxConnections, onDrop = () => {}, onError }: ListenOptions,
): Promise<Listener> {
  const withoutRequest = new Set<Socket>();
  const onRequest: RequestListener = (request, response) => {
    if (withoutRequest.size > 0) withoutRequest.delete(request.socket);
    handler(request, response);
  };
  // Quirk(Flask-WebSub): sends `Transfer-Encoding` and `Content-Length` together for a chunked topic. node:http answers
  // 400. We keep that answer: accepting both headers allows request smuggling.
  const server = tls === undefined ? createServer(onRequest) : onDemand('node:https').createServer(tls, onRequest);
  server.maxConnections = maxConnections;
  server.on('drop', onDrop);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    deferContinue(request, response);
    onRequest(request, response);
  });
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
    trackUntilRequest(withoutRequest, socket),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenerError(error, port, host)));
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error').on('error', onError);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on a port has an AddressInfo
  const address = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    port: address.port,
    close({ force } = { force: false }) {
      closed ??= closeGracefully(server);
      // Does not wait for connections without a request, such as those that a load balancer opens in advance.
      for (const socket of withoutRequest) socket.destroy();
      if (force) server.closeAllConnections();
      return closed;
    },
  };
}

/** Tracks a connection that has sent no request yet. Node does not count such a connection as idle. */
function trackUntilRequest(withoutRequest: Set<Socket>, socket: Socket): void {
  withoutRequest.add(socket);
  socket.once('close', () => withoutRequest.delete(socket));
}

/** Closes the server. Closes each keep-alive connection soon after its last answer, before its timeout. */
async function closeGracefully(server: Server): Promise<void> {
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  try {
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  } finally {
    clearInterval(idle);
  }
}

function listenerError(cause: NodeJS.ErrnoException, port: number, host: string | undefined): ListenerError {
  const where = `${host ?? 'all interfaces'}, port ${port}`;
  switch (cause.code) {
    case 'EADDRINUSE':
      return new ListenerError(
        `Cannot listen on ${where}: the port is in use. Stop the process that uses it, or set the port option or PORT.`,
        { cause },
      );
    case 'EACCES':
      return new ListenerError(
        `Cannot listen on ${where}: this process has no permission to use the port. Choose a port from 1024.`,
        { cause },
      );
    default:
      return new ListenerError(`Cannot listen on ${where}: ${cause.message}.`, { cause });
  }
}
