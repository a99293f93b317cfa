import type { Server } from 'node:http';

/** Milliseconds between checks whether the server still listens. Node.js has no event for a call of `close()`. */
const CHECK_INTERVAL_MS = 50;

/** The application's own server, which also answers callbacks. */
export interface HostServer {
  /** Whether it accepts connections, which it does between `listen()` and `close()`. */
  isListening(): boolean;
  /** Resolves once it does not listen, or the signal aborts. */
  closed(signal: AbortSignal): Promise<void>;
}

/** Watches the application's server, which the application closes. */
export function watchServer(server: Server): HostServer {
  return {
    isListening: () => server.listening,
    closed(signal) {
      return new Promise((resolve) => {
        const end = (): void => {
          clearInterval(timer);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setInterval(() => {
          if (!server.listening) end();
        }, CHECK_INTERVAL_MS);
        signal.addEventListener('abort', end);
        if (signal.aborted || !server.listening) end();
      });
    },
  };
}
