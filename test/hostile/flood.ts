import { connect, type Socket } from 'node:net';
import { readAnswerHead } from '../bench/load/answer-head.js';

/** Milliseconds without a response after which the remaining requests count as unanswered. */
const SILENCE_LIMIT_MS = 20_000;

/** The requests to send. */
export interface Flood {
  readonly port: number;
  readonly count: number;
  readonly connections: number;
  /** Returns the bytes of a request by its number. */
  readonly request: (index: number) => Uint8Array;
}

/**
 * Sends requests as fast as they are answered, one at a time per connection. Reopens closed connections.
 *
 * @returns the number of responses per status; 0 counts connections closed without a response. Stops after 20 s without
 * one
 */
export function flood({ port, count, connections, request }: Flood): Promise<ReadonlyMap<number, number>> {
  const statuses = new Map<number, number>();
  let sent = 0;
  let answered = 0;
  const sockets = new Set<Socket>();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      sent = count;
      for (const socket of sockets) socket.destroy();
      resolve(statuses);
    };
    const timer = setTimeout(finish, SILENCE_LIMIT_MS);
    const countResponse = (status: number): void => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      answered += 1;
      timer.refresh();
      if (answered === count) finish();
    };
    const open = (): void => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      sockets.add(socket);
      let partial = Buffer.alloc(0);
      let isWaiting = false;
      const send = (): void => {
        if (sent >= count) {
          socket.destroy();
          return;
        }
        isWaiting = true;
        socket.write(request(sent));
        sent += 1;
      };
      socket.on('connect', send);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        if (isWaiting) countResponse(0);
        // Wait a moment: the server may have stopped listening.
        if (sent < count) setTimeout(open, 1);
      });
      socket.on('data', (chunk) => {
        partial = partial.length === 0 ? chunk : Buffer.concat([partial, chunk]);
        const head = readAnswerHead(partial);
        if (head === undefined || partial.length < head.size) return;
        const isOver = /\r\nconnection: *close\r\n/i.test(partial.toString('latin1'));
        partial = Buffer.alloc(0);
        isWaiting = false;
        countResponse(head.status);
        if (isOver) socket.destroy();
        else send();
      });
    };
    for (let index = 0; index < Math.min(connections, count); index += 1) open();
  });
}

/** Opens a connection and sends bytes repeatedly until all are sent or it is closed. Leaves it open. */
export async function sendSlowly(port: number, head: Uint8Array, filler: Uint8Array, bytes: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  let remaining = bytes;
  await new Promise<void>((resolve) => {
    const send = (): void => {
      while (remaining > 0 && !socket.destroyed) {
        const part = filler.subarray(0, remaining);
        remaining -= part.length;
        if (!socket.write(part)) return;
      }
      resolve();
    };
    socket.on('error', () => {});
    socket.on('connect', () => {
      socket.write(head);
      send();
    });
    socket.on('drain', send);
    socket.on('close', () => resolve());
    // Responses are ignored.
    socket.resume();
  });
  return socket;
}
