import { openConnection, type Connection, type ConnectionEvents } from './connection.js';

/** The request to send, and its destination. */
export interface Target {
  readonly port: number;
  readonly request: Uint8Array;
  readonly connections: number;
  /** Expected status of every response. */
  readonly status: number;
}

/** Callbacks for requests, with the index of their connection. */
export interface Listeners {
  readonly onAnswer: (connection: number, status: number) => void;
  readonly onBroken: ConnectionEvents['onBroken'];
}

/** Open, idle connections. */
export interface Connections {
  readonly all: readonly Connection[];
  /** Sets the listeners, replacing the previous ones. */
  listen(listeners: Listeners): void;
}

/**
 * Opens the connections. It uses node:net directly. A generator that builds requests and parses responses uses as much
 * CPU as the floor, and would be the bottleneck on a machine with two cores.
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
