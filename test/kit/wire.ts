import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

/** An HTTP response, parsed from the bytes of a connection. */
export interface WireAnswer {
  readonly status: number;
  /** By lower-case name. Repeated headers are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A TCP connection. It sends bytes unchanged and reads one response at a time. */
export interface Wire {
  readonly socket: Socket;
  readonly send: (bytes: string | Uint8Array) => void;
  /**
   * The next response. Rejects when the connection ends before it is complete, or after 5 seconds.
   *
   * With `toHead` the response is expected without a body, as for a HEAD request.
   */
  readonly answer: (options?: { readonly toHead?: boolean }) => Promise<WireAnswer>;
  /** Resolves when the other side has closed or reset the connection. */
  readonly closed: Promise<void>;
}

const LIMIT_MS = 5_000;

export async function openWire(port: number): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.setNoDelay(true);
  let received = Buffer.alloc(0);
  let wake = (): void => {};
  let isClosed = false;
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      isClosed = true;
      wake();
      resolve();
    });
  });

  const takeAnswer = (toHead: boolean): WireAnswer | undefined => {
    const headLength = received.indexOf('\r\n\r\n');
    if (headLength === -1) return undefined;
    const [statusLine = '', ...headerLines] = received.subarray(0, headLength).toString('latin1').split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of headerLines) {
      const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
      const lowerName = name.toLowerCase();
      headers[lowerName] = lowerName in headers ? `${headers[lowerName]}, ${value}` : value;
    }
    const status = Number(statusLine.split(' ')[1]);
    const hasBody = !toHead && status >= 200 && status !== 204;
    const length = hasBody ? Number(headers['content-length'] ?? 0) : 0;
    const bodyStart = headLength + 4;
    if (received.length < bodyStart + length) return undefined;
    const body = received.subarray(bodyStart, bodyStart + length).toString();
    received = received.subarray(bodyStart + length);
    return { status, headers, body };
  };

  return {
    socket,
    closed,
    send: (bytes) => void socket.write(bytes),
    async answer({ toHead = false } = {}) {
      const deadline = Date.now() + LIMIT_MS;
      for (;;) {
        const answer = takeAnswer(toHead);
        if (answer !== undefined) return answer;
        if (isClosed) throw new Error(`the connection ended with ${JSON.stringify(received.toString('latin1'))}`);
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(
            () => reject(new Error(`no whole answer, only ${JSON.stringify(received.toString('latin1'))}`)),
            Math.max(0, deadline - Date.now()),
          );
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

/** Sends one request on a new connection. */
export async function exchange(
  port: number,
  request: string | Uint8Array,
  options?: { readonly toHead?: boolean },
): Promise<WireAnswer> {
  const wire = await openWire(port);
  wire.send(request);
  const answer = await wire.answer(options);
  wire.socket.destroy();
  return answer;
}

/** The bytes of a request. A body gets a `Content-Length` unless the headers have their own framing. */
export function request(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Buffer {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const isFramed = names.has('content-length') || names.has('transfer-encoding');
  const allHeaders: Record<string, string> = { Host: 'callback.test', ...headers };
  const bytes = Buffer.from(body);
  if (!isFramed && (method === 'POST' || bytes.length > 0)) allHeaders['Content-Length'] = String(bytes.length);
  const lines = Object.entries(allHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), bytes]);
}
