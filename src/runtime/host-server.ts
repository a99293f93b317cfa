import type { Server } from 'node:http';

/** Milliseconds between two looks at whether the server still listens: Node.js has no event for a call of `close()`. */
const LOOK_MS = 50;

/** The application's own server, on which the callbacks are answered. */
export interface HostServer {
  /** Whether it has listened and no longer accepts connections. */
  isClosed(): boolean;
  /** Resolves when it is closed, or the signal aborts. */
  closed(signal: AbortSignal): Promise<void>;
  /** Leaves the server as it was found. */
  forget(): void;
}

/** Watches a server that its owner closes. */
export function hostServer(server: Server): HostServer {
  let hasListened = server.listening;
  const onListening = (): void => {
    hasListened = true;
  };
  server.once('listening', onListening);
  const isClosed = (): boolean => hasListened && !server.listening;
  return {
    isClosed,
    forget: () => void server.off('listening', onListening),
    closed(signal) {
      return new Promise((resolve) => {
        const end = (): void => {
          clearInterval(looks);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const looks = setInterval(() => {
          if (isClosed()) end();
        }, LOOK_MS);
        signal.addEventListener('abort', end);
        if (signal.aborted || isClosed()) end();
      });
    },
  };
}
