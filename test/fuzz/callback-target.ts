import { once } from 'node:events';
import { connect } from 'node:net';
import { defineSubscriber } from '../../src/decorators/define-subscriber.js';
import { startService } from '../../src/runtime/lifecycle/start-service.js';
import { TestHub } from '../../src/testing/index.js';
import { must, type FuzzTarget, type RunInput } from './fuzz-target.js';
import { CALLBACK, TOPIC } from './requests.js';

/** Statuses a callback may answer: PROTOCOL C2, C6 to C8, V1, and the statuses Node.js sends for invalid HTTP. */
const STATUSES: ReadonlySet<number> = new Set([
  100, 200, 202, 400, 403, 404, 405, 408, 410, 411, 413, 414, 417, 426, 431, 503,
]);

/** A running service with the callback of its one subscription. */
export interface RunningService {
  readonly fetch: (request: Request) => Promise<Response>;
  readonly port: number;
  readonly callback: URL;
  readonly topic: string;
  readonly close: () => Promise<void>;
}

/** Starts a service with one verified subscription. Its handler reads everything an event offers. */
export async function startRunningService(): Promise<RunningService> {
  const hub = await TestHub.start();
  const topic = hub.topic('/feed', { body: 'news' });
  const service = defineSubscriber(
    { name: 'News', target: { hub: hub.url, topic: topic.url }, secret: false, delivery: { retryForSeconds: 0 } },
    {
      onEventNotification: async (event) => {
        JSON.stringify([event.text(), event.links, event.contentType, event.digest]);
        try {
          await event.entries();
        } catch (error) {
          if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
        }
      },
    },
  );
  const runtime = await startService(service, { port: 0, store: 'memory', logger: false, handleSignals: false });
  await runtime.ready({ timeoutMs: 10_000 });
  const [subscription] = await runtime.subscriptions.find();
  return {
    fetch: runtime.fetch,
    port: runtime.port ?? 0,
    callback: new URL(subscription?.callback ?? ''),
    topic: topic.url,
    close: async () => {
      await runtime.stopNow();
      await hub.close();
    },
  };
}

/** Inserts the callback's path and topic into the text of a request. */
export function insertAddress(input: Buffer, { callback, topic }: RunningService): string {
  return input.toString('latin1').replaceAll(CALLBACK, callback.pathname).replaceAll(TOPIC, encodeURIComponent(topic));
}

/** Sends a request to the service, checks every response, and returns their statuses. */
export type SendRequest = (service: RunningService, input: Buffer) => Promise<readonly number[]>;

/** Writes the request to the service's socket. */
export const writeRequest: SendRequest = async (service, input) => {
  const socket = connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
  socket.on('error', () => {});
  socket.end(insertAddress(input, service), 'latin1');
  const timer = setTimeout(() => socket.destroy(new Error('too late')), 5_000);
  const [isBroken] = await once(socket, 'close');
  clearTimeout(timer);
  must(!(socket.errored?.message === 'too late'), 'a connection that the hub has ended is closed within 5 s');
  const heads = Buffer.concat(chunks)
    .toString('latin1')
    .matchAll(/(?:^|\r\n\r\n|\n)HTTP\/1\.1 (\d{3}) /g);
  const statuses = [...heads].map(([, status]) => Number(status));
  must(isBroken === true || statuses.length <= 50, 'there are not more answers than requests');
  for (const status of statuses) must(STATUSES.has(status), `the callback answers ${status}`);
  return statuses;
};

/** Passes the same request to the service's `fetch`, unless the input cannot become a `Request`. */
export const fetchRequest: SendRequest = async (service, input) => {
  const [head = '', ...bodyParts] = insertAddress(input, service).split('\r\n\r\n');
  const [requestLine = '', ...headerLines] = head.split('\r\n');
  const [method = '', path = ''] = requestLine.split(' ');
  const request = requestOf(method, path, headerLines, bodyParts.join('\r\n\r\n'));
  if (request === undefined) return [];
  const response = await service.fetch(request);
  await response.arrayBuffer();
  must(STATUSES.has(response.status), `the callback answers ${response.status}`);
  return [response.status];
};

/** Builds a `Request`; undefined if the input makes it impossible. */
function requestOf(method: string, path: string, lines: readonly string[], body: string): Request | undefined {
  const hasBody = body !== '' && !/^(?:GET|HEAD)$/i.test(method);
  try {
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, Math.max(0, colon)).trim(), line.slice(colon + 1).trim()];
    });
    return new Request(`http://127.0.0.1${path}`, {
      method,
      headers,
      body: hasBody ? Buffer.from(body, 'latin1') : null,
    });
  } catch {
    return undefined;
  }
}

const openWith = (send: SendRequest) => async (): Promise<RunInput> => {
  const service = await startRunningService();
  return async (input) => void (await send(service, input));
};

/** Targets that exercise the whole callback. */
export const CALLBACKS: readonly FuzzTarget[] = [
  { name: 'callback by fetch', seeds: 'requests', open: openWith(fetchRequest), limitMs: 1_000 },
  { name: 'callback by socket', seeds: 'requests', open: openWith(writeRequest), limitMs: 5_000 },
];
