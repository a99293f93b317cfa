import type { RequestListener, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startService, type HubAndTopic } from 'websub-subscriber';
import { FakeWorld } from '../../kit/fake-world.js';
import { recordingService } from '../../kit/recording-service.js';
import { startHttpServer } from '../../kit/http-server.js';
import { until } from '../../kit/until.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;

/** A hub that answers on command, and never verifies. */
async function manualHub() {
  const requestedTopics: (string | null)[] = [];
  const open: ServerResponse[] = [];
  let onRequest = (): void => {};
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => void (body += String(chunk)));
    request.on('end', () => {
      requestedTopics.push(new URLSearchParams(body).get('hub.topic'));
      open.push(response);
      onRequest();
    });
  };
  const { url, ...server } = await startHttpServer(listener);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const answer = (): void => {
    for (const response of open.splice(0)) response.writeHead(202).end();
  };
  const targets = (count: number): HubAndTopic[] =>
    Array.from({ length: count }, (_, index) => ({ hub: `${url}/`, topic: `https://example.com/${index}` }));
  return {
    requestedTopics,
    targets,
    answer,
    get open() {
      return open.length;
    },
    /** Calls back for each new open request. */
    onRequest(callback: () => void) {
      onRequest = callback;
    },
  };
}

describe('L5 the pacing of requests', () => {
  it.each([
    [8, 10_000],
    [1, 2_000],
  ])(
    'allows at most %i requests in flight at one hub, until all %i are sent',
    async (limit, count) => {
      const hub = await manualHub();
      let maxOpen = 0;
      hub.onRequest(() => {
        maxOpen = Math.max(maxOpen, hub.open);
        // Answers a while after the last expected request, so that a request too many would be counted.
        const isLast = hub.requestedTopics.length + limit > count;
        if (hub.open >= limit || isLast) setImmediate(() => setImmediate(hub.answer));
      });
      const { service } = recordingService({ targets: hub.targets(count) });
      const security = limit === 8 ? {} : { hubConcurrency: limit };
      const runtime = await startService(service, { ...QUIET, security });
      onTestFinished(() => runtime.stopNow());
      await vi.waitFor(() => expect(hub.requestedTopics.length).toBeGreaterThanOrEqual(count), {
        timeout: 110_000,
        interval: 50,
      });
      expect(maxOpen).toBe(limit);
      expect(new Set(hub.requestedTopics).size).toBe(count);
      expect(hub.requestedTopics).toHaveLength(count);
    },
    120_000,
  );

  it('lets startService() resolve when the first requests are answered, while the others wait', async () => {
    const hub = await manualHub();
    const { service } = recordingService({ targets: hub.targets(100) });
    hub.onRequest(() => {
      if (hub.requestedTopics.length === 8) hub.answer();
    });
    const runtime = await startService(service, QUIET);
    onTestFinished(() => runtime.stopNow());
    expect(hub.requestedTopics.length).toBeLessThan(17);
    await expect(runtime.ready({ timeoutMs: 0 })).rejects.toThrow(
      /^Not ready after 0 ms; .*; and 80 more\. Hubs must reach /,
    );
  });

  it('does not delay requests to one hub while another hub hangs', async () => {
    const [hangingHub, quickHub] = [await manualHub(), await manualHub()];
    quickHub.onRequest(quickHub.answer);
    const { service } = recordingService({ targets: [...hangingHub.targets(20), ...quickHub.targets(20)] });
    const starting = startService(service, { ...QUIET, security: { hubConcurrency: 2 } });
    await until(() => quickHub.requestedTopics.length === 20);
    expect(hangingHub.requestedTopics).toHaveLength(2);
    hangingHub.answer();
    const runtime = await starting;
    await runtime.stopNow();
  });

  it('starts the verify timeout when the request leaves, not when it was due', async () => {
    const hub = await manualHub();
    const world = new FakeWorld();
    const [first, second] = hub.targets(2);
    const { service } = recordingService({ targets: [first, second].flatMap((target) => target ?? []) });
    const starting = world.start(service, { security: { hubConcurrency: 1 } });
    await until(() => hub.open === 1);
    hub.answer();
    await until(() => hub.open === 1);
    const runtime = await starting;
    onTestFinished(() => runtime.stopNow());
    const { id } = await runtime.subscribe(service, {
      target: { hub: first?.hub ?? '', topic: 'https://example.com/x' },
    });
    // The request waits far longer than the verify timeout. No second request is due.
    for (let minute = 0; minute < 5; minute += 1) world.advance(60_001);
    expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'requested', attempts: 0 });
    hub.onRequest(hub.answer);
    hub.answer();
    await until(() => hub.requestedTopics.includes('https://example.com/x'));
    await until(async () => (await runtime.subscriptions.get(id))?.state === 'verifying');
    world.advance(59_000);
    expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'verifying', attempts: 0 });
    expect(hub.requestedTopics.filter((topic) => topic === 'https://example.com/x')).toHaveLength(1);
  });

  it('sends no request for a subscription that is unsubscribed while its request waits', async () => {
    const hub = await manualHub();
    const { service } = recordingService({ targets: hub.targets(3) });
    const starting = startService(service, { ...QUIET, security: { hubConcurrency: 1 } });
    await until(() => hub.open === 1);
    hub.answer();
    const runtime = await starting;
    onTestFinished(() => runtime.stopNow());
    await until(() => hub.open === 1);
    const [waitingSubscription] = await runtime.subscriptions.find({ state: 'requested' });
    await runtime.unsubscribe(waitingSubscription?.id ?? '');
    const [, , third] = hub.targets(3);
    const otherSubscription = await runtime.subscribe(service, {
      target: { hub: third?.hub ?? '', topic: 'https://example.com/x' },
    });
    hub.onRequest(hub.answer);
    hub.answer();
    await until(() => hub.requestedTopics.length === 3);
    expect((await runtime.subscriptions.get(otherSubscription.id))?.state).toBe('verifying');
    expect(hub.requestedTopics).toEqual(['https://example.com/0', 'https://example.com/1', 'https://example.com/x']);
    expect(waitingSubscription).toMatchObject({ target: third });
  });

  it('drops waiting requests when the runtime stops', async () => {
    const hub = await manualHub();
    const { service } = recordingService({ targets: hub.targets(50) });
    const starting = startService(service, QUIET);
    await until(() => hub.open === 8);
    hub.answer();
    const runtime = await starting;
    await until(() => hub.open === 8);
    const requestCount = hub.requestedTopics.length;
    hub.onRequest(hub.answer);
    await runtime.stopNow();
    expect(hub.requestedTopics).toHaveLength(requestCount);
  });
});
