import { openConnection, type Connection, type ConnectionEvents } from './connection.js';

/** What to send, and where. */
export interface Target {
  readonly port: number;
  readonly request: Uint8Array;
  readonly connections: number;
  /** What each answer has to be. */
  readonly status: number;
}

/** What becomes of requests, by the number of their connection. */
export interface Listeners {
  readonly onAnswer: (connection: number, status: number) => void;
  readonly onBroken: ConnectionEvents['onBroken'];
}

/** Connections that are open and idle. */
export interface Connections {
  readonly all: readonly Connection[];
  /** Tells these what happens, and no others. */
  listen(listeners: Listeners): void;
}

/**
 * Opens the connections. By hand on node:net, since a load generator that builds a request and parses an answer each time
 * takes about the CPU that the floor takes, and would be the limit on a machine of two cores.
 */
export async function openConnections({ port, request, connections }: Target): Promise<Connections> {
  let current: Listeners = { onAnswer: () => {}, onBroken: () => {} };
  const all = await Promise.all(
    Array.from({ length: connections }, (_, index) =>
      openConnection(port, request, {
        onAnswer: (status) => current.onAnswer(index, status),
        onBroken: (error) => current.onBroken(error),
      }),
    ),
  );
  return { all, listen: (listeners) => void (current = listeners) };
}
