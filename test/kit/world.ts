import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defineSubscriber, type SubscriberDefinition, type SubscriberServiceConfig } from 'websub-subscriber';

/** A service that keeps the texts it is told. */
export function reader(config: SubscriberServiceConfig = {}): {
  readonly service: SubscriberDefinition;
  readonly got: string[];
} {
  const got: string[] = [];
  const service = defineSubscriber(
    { name: 'News', secret: false, ...config },
    { onEventNotification: (event) => void got.push(event.text()) },
  );
  return { service, got };
}

/** A server on loopback that is not ours. */
export async function strangersServer(
  listener: RequestListener,
): Promise<{ url: string; server: Server } & AsyncDisposable> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    url: `http://127.0.0.1:${portOf(server)}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function portOf(server: Server): number {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  return (server.address() as AddressInfo).port;
}

/** An error, from work that is to fail. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

/** Waits until something is true, for 15 seconds at most. */
export async function until<T>(probe: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`not within 15 s: ${probe.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * A port that nothing listens on. From below those that the system gives away by itself (32,768 and up, on Linux), so that it
 * stays dead, or ours from one start to the next, whatever is tested beside it.
 */
export async function deadPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, () => void server.close(() => resolve(true)));
  });
}
