import { connect, type Socket } from 'node:net';
import { readAnswerHead } from '../bench/load/answer-head.js';

/** Milliseconds without an answer after which the rest counts as unanswered. */
const PATIENCE_MS = 20_000;

/** What is sent, and how. */
export interface Flood {
  readonly port: number;
  readonly count: number;
  readonly connections: number;
  /** The bytes of each request, by its number. */
  readonly request: (index: number) => Uint8Array;
}

/**
 * Sends requests as fast as they are answered, one at a time on each connection. A connection that is closed is opened anew.
 *
 * @returns how often each status was answered; 0 where a connection was closed without an answer, or none came for 20 s
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
    const timer = setTimeout(finish, PATIENCE_MS);
    const note = (status: number): void => {
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
        if (isWaiting) note(0);
        // In a moment, as nobody may listen any more.
        if (sent < count) setTimeout(open, 1);
      });
      socket.on('data', (chunk) => {
        partial = partial.length === 0 ? chunk : Buffer.concat([partial, chunk]);
        const head = readAnswerHead(partial);
        if (head === undefined || partial.length < head.size) return;
        const isOver = /\r\nconnection: *close\r\n/i.test(partial.toString('latin1'));
        partial = Buffer.alloc(0);
        isWaiting = false;
        note(head.status);
        if (isOver) socket.destroy();
        else send();
      });
    };
    for (let index = 0; index < Math.min(connections, count); index += 1) open();
  });
}

/** Opens a connection, sends bytes over and over until so many are sent or it is closed, and leaves it open. */
export async function sendSlowly(port: number, head: Uint8Array, filling: Uint8Array, bytes: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  let left = bytes;
  await new Promise<void>((resolve) => {
    const send = (): void => {
      while (left > 0 && !socket.destroyed) {
        const part = filling.subarray(0, left);
        left -= part.length;
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
    // What is answered is not looked at.
    socket.resume();
  });
  return socket;
}
