import { connect } from 'node:net';
import { readAnswerHead } from './answer-head.js';

const READ_BYTES = 16 * 1024;

/** Callbacks of a connection. */
export interface ConnectionEvents {
  /** A complete response has arrived. */
  readonly onAnswer: (status: number) => void;
  /** The connection has failed and cannot be used. */
  readonly onBroken: (error: Error) => void;
}

/** A keep-alive connection with at most one request in flight. */
export interface Connection {
  /** Sends the request. Call it only after the previous response. */
  send(): void;
  close(): void;
}

/** Connects to a local port. The request is given as bytes, because it is the same each time. */
export function openConnection(
  port: number,
  request: Uint8Array,
  { onAnswer, onBroken }: ConnectionEvents,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let partial: Buffer | undefined;
    let fail: (error: Error) => void = reject;
    const broken = (error: Error): void => {
      const report = fail;
      fail = () => {};
      socket.destroy();
      report(error);
    };
    const onData = (chunk: Buffer): void => {
      const bytes = partial === undefined ? chunk : Buffer.concat([partial, chunk]);
      const head = readAnswerHead(bytes);
      if (head === undefined || bytes.length < head.size) {
        partial = Buffer.from(bytes);
        return;
      }
      if (bytes.length > head.size) throw new Error('The server sent more than its answer');
      partial = undefined;
      onAnswer(head.status);
    };
    const socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      // One buffer for all reads: allocating one per read would be the generator's largest cost.
      onread: {
        buffer: Buffer.allocUnsafe(READ_BYTES),
        callback(size, buffer) {
          try {
            onData(Buffer.from(buffer.buffer, buffer.byteOffset, size));
          } catch (error) {
            broken(error instanceof Error ? error : new Error(String(error)));
          }
          return true;
        },
      },
    });
    socket.once('connect', () => {
      fail = onBroken;
      resolve({
        send: () => void socket.write(request),
        close() {
          fail = () => {};
          socket.destroy();
        },
      });
    });
    socket.once('error', broken);
    socket.once('close', () => broken(new Error('The server closed a connection')));
  });
}
