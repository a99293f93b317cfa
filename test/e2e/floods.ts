import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { TestHub, type HubTopic } from '../../src/testing/index.js';

/** What a flooded process knows of itself. */
export interface FloodFigures {
  /** Logged at warn or above. */
  readonly lines: number;
  /** To the store. */
  readonly writes: number;
  /** Bytes, garbage collected. */
  readonly heapUsed: number;
  readonly arrayBuffers: number;
  /** Bytes, now and at most since they were asked for before. */
  readonly resident: number;
  readonly mostResident: number;
}

/** A subscriber in a process of its own. */
export interface Flooded {
  readonly port: number;
  /** The callback's path. */
  readonly path: string;
  readonly topic: HubTopic;
  readonly figures: () => Promise<FloodFigures>;
  readonly end: () => Promise<void>;
}

/** How a subscriber is flooded. */
export interface FloodOptions {
  /** Its `security` options. */
  readonly security?: object;
  /** Whether content has to be signed. @default true */
  readonly isSecret?: boolean;
}

/** Starts a subscriber to be flooded. `module` is the compiled fixture. */
export async function startFlooded(
  module: string,
  { security = {}, isSecret = true }: FloodOptions = {},
): Promise<Flooded> {
  const hub = await TestHub.start();
  const topic = hub.topic('/feed', { body: 'what there is' });
  const secret = isSecret ? 'a long one that nobody guesses' : '';
  const given = [hub.url, topic.url, secret, JSON.stringify(security)];
  const child = fork(module, given, { execArgv: ['--expose-gc'] });
  await once(child, 'message');
  const { callback } = await hub.until(() => hub.subscriptions.find(({ state }) => state === 'active'), {
    what: 'the subscription',
  });
  const { port, pathname } = new URL(callback);
  return {
    port: Number(port),
    path: pathname,
    topic,
    figures: () => figuresOf(child),
    async end() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      await hub.close();
    },
  };
}

async function figuresOf(child: ChildProcess): Promise<FloodFigures> {
  const told = once(child, 'message');
  child.send('figures');
  const [figures] = await told;
  return figures;
}

/** Few enough that what is asked meanwhile does not wait for a long line before it. */
const CONNECTIONS = 8;
const PIPELINED = 20;

/**
 * Posts content to a callback that is unsigned and has a malformed signature, in turn.
 *
 * @returns how many were answered with 403
 */
export async function postRejected({ port, path }: Pick<Flooded, 'port' | 'path'>, count: number): Promise<number> {
  const post = (signature: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: callback.test\r\n${signature}Content-Length: 4\r\n\r\nnews`;
  const pair = post('') + post('X-Hub-Signature: sha256=00\r\n');
  let begun = 0;
  const connection = async (): Promise<number> => {
    const socket = await connected(port);
    let rejected = 0;
    while (begun < count) {
      begun += PIPELINED;
      const answered = answers(socket, PIPELINED);
      socket.write(pair.repeat(PIPELINED / 2));
      rejected += await answered;
    }
    socket.destroy();
    return rejected;
  };
  const rejected = await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return rejected.reduce((sum, each) => sum + each, 0);
}

/** Waits for so many answers, and says how many of them were 403. */
function answers(socket: Socket, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const statuses = text.match(/HTTP\/1\.1 \d{3}/g) ?? [];
      if (statuses.length < count) return;
      socket.off('data', onData).off('close', onClose);
      resolve(statuses.filter((status) => status.endsWith('403')).length);
    };
    const onClose = (): void => reject(new Error('the connection was closed'));
    socket.on('data', onData).on('close', onClose);
  });
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Begins bodies of which all but the last byte is sent, and leaves them. Resolves to their connections when all is sent. */
export async function stallBodies(
  { port, path }: Pick<Flooded, 'port' | 'path'>,
  count: number,
  { bytes, isSigned }: { readonly bytes: number; readonly isSigned: boolean },
): Promise<readonly Socket[]> {
  const signature = isSigned ? `X-Hub-Signature: sha256=${'0'.repeat(64)}\r\n` : '';
  const head = `POST ${path} HTTP/1.1\r\nHost: callback.test\r\n${signature}Content-Length: ${bytes}\r\n\r\n`;
  const part = Buffer.alloc(bytes - 1);
  const stall = async (): Promise<Socket> => {
    const socket = await connected(port);
    const closed = once(socket, 'close');
    socket.resume();
    socket.write(head);
    // It is sent, or the connection was closed before.
    await Promise.race([new Promise((resolve) => void socket.write(part, resolve)), closed]);
    return socket;
  };
  const sockets: Socket[] = [];
  // A few at a time: what the system buffers is not what is looked at.
  for (let begun = 0; begun < count; begun += 10) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(10, count - begun) }, stall))));
  }
  return sockets;
}

/** Posts content that is small and comes to `bytes` when decoded, so many at the same time. Resolves to what was answered. */
export async function postBombs(
  { port, path }: Pick<Flooded, 'port' | 'path'>,
  count: number,
  bytes: number,
): Promise<readonly number[]> {
  const bomb = gzipSync(Buffer.alloc(bytes));
  const head = `POST ${path} HTTP/1.1\r\nHost: callback.test\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`;
  const post = async (): Promise<number> => {
    const socket = await connected(port);
    const answered = once(socket, 'data');
    socket.write(Buffer.concat([Buffer.from(head), bomb]));
    const [answer] = await answered;
    socket.destroy();
    return Number(String(answer).split(' ')[1]);
  };
  return Promise.all(Array.from({ length: count }, post));
}
