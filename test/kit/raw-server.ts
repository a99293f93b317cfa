import { createServer, type Socket } from 'node:net';
import { listenOn } from './ports.js';

export interface RawServer extends AsyncDisposable {
  readonly url: string;
  /** The chunks that the connections sent, one character a byte. */
  readonly received: string[];
  readonly sockets: readonly Socket[];
}

/** A TCP server on 127.0.0.1. It calls `answer` with each chunk, which may write any bytes. */
export async function startRawServer(answer: (socket: Socket, chunk: string) => void): Promise<RawServer> {
  const received: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const chunk = bytes.toString('latin1');
      received.push(chunk);
      answer(socket, chunk);
    });
  });
  const port = await listenOn(server);
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
