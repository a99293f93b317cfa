import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { gate } from '../../src/runtime/gate.js';

/** What the handler behind a gate gets of requests with these methods, after each step. */
function through(): {
  readonly send: (method: string) => void;
  readonly handled: string[];
  readonly way: ReturnType<typeof gate>;
} {
  const handled: string[] = [];
  const way = gate(({ method = '' }) => void handled.push(method));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is looked at
  const request = (method: string): IncomingMessage => ({ method }) as IncomingMessage;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const send = (method: string): void => way.nodeHandler(request(method), {} as ServerResponse);
  return { send, handled, way };
}

describe('gate', () => {
  it('lets verifications through when the store is read, and content when the services have started', async () => {
    const { send, handled, way } = through();
    send('GET');
    send('POST');
    expect(handled).toEqual([]);
    way.loaded();
    await vi.waitFor(() => expect(handled).toEqual(['GET']));
    send('HEAD');
    send('POST');
    expect(handled).toEqual(['GET', 'HEAD']);
    way.started();
    await vi.waitFor(() => expect(handled).toEqual(['GET', 'HEAD', 'POST', 'POST']));
    send('POST');
    expect(handled).toHaveLength(5);
  });
});
