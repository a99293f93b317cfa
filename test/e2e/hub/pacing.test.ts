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
  const topics = (count: number): HubAndTopic[] =>
    Array.from({ length: count }, (_, index) => ({ hub: `${url}/`, topic: `https://example.com/${index}` }));
  return {
    requestedTopics,
    topics,
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
    'has at most %i requests in flight at one hub, until all %i were sent',
    async (limit, count) => {
      const hub = await manualHub();
      let most = 0;
      hub.onRequest(() => {
        most = Math.max(most, hub.open);
        // Waits until no further request is expected, and a while longer, in which one too many would come.
        const isLast = hub.requestedTopics.length + limit > count;
        if (hub.open >= limit || isLast) setImmediate(() => setImmediate(hub.answer));
      });
      const { service } = recordingService({ targets: hub.topics(count) });
      const security = limit === 8 ? {} : { hubConcurrency: limit };
      const runtime = await startService(service, { ...QUIET, security });
      onTestFinished(() => runtime.stopNow());
      await vi.waitFor(() => expect(hub.requestedTopics.length).toBeGreaterThanOrEqual(count), {
        timeout: 110_000,
        interval: 50,
      });
      expect(most).toBe(limit);
      expect(new Set(hub.requestedTopics).size).toBe(count);
      expect(hub.requestedTopics).toHaveLength(count);
    },
    120_000,
  );

  it('resolves startService once the first requests were answered and the others wait', async () => {
    const hub = await manualHub();
    const { service } = recordingService({ targets: hub.topics(100) });
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

  it('does not delay one hub because another one hangs', async () => {
    const [hung, quick] = [await manualHub(), await manualHub()];
    quick.onRequest(quick.answer);
    const { service } = recordingService({ targets: [...hung.topics(20), ...quick.topics(20)] });
    const starting = startService(service, { ...QUIET, security: { hubConcurrency: 2 } });
    await until(() => quick.requestedTopics.length === 20);
    expect(hung.requestedTopics).toHaveLength(2);
    hung.answer();
    const runtime = await starting;
    await runtime.stopNow();
  });

  it('starts the verify timeout when the request leaves, not when it was due', async () => {
    const hub = await manualHub();
    const world = new FakeWorld();
    const [first, second] = hub.topics(2);
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
    // It waits far longer than the verify timeout, and gets no second request.
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

  it('sends no request for a subscription that was ended while it waited', async () => {
    const hub = await manualHub();
    const { service } = recordingService({ targets: hub.topics(3) });
    const starting = startService(service, { ...QUIET, security: { hubConcurrency: 1 } });
    await until(() => hub.open === 1);
    hub.answer();
    const runtime = await starting;
    onTestFinished(() => runtime.stopNow());
    await until(() => hub.open === 1);
    const [waiting] = await runtime.subscriptions.find({ state: 'requested' });
    await runtime.unsubscribe(waiting?.id ?? '');
    const [, , third] = hub.topics(3);
    const other = await runtime.subscribe(service, {
      target: { hub: third?.hub ?? '', topic: 'https://example.com/x' },
    });
    hub.onRequest(hub.answer);
    hub.answer();
    await until(() => hub.requestedTopics.length === 3);
    expect((await runtime.subscriptions.get(other.id))?.state).toBe('verifying');
    expect(hub.requestedTopics).toEqual(['https://example.com/0', 'https://example.com/1', 'https://example.com/x']);
    expect(waiting).toMatchObject({ target: third });
  });

  it('drops waiting requests when the runtime stops', async () => {
    const hub = await manualHub();
    const { service } = recordingService({ targets: hub.topics(50) });
    const starting = startService(service, QUIET);
    await until(() => hub.open === 8);
    hub.answer();
    const runtime = await starting;
    await until(() => hub.open === 8);
    const requestedTopics = hub.requestedTopics.length;
    hub.onRequest(hub.answer);
    await runtime.stopNow();
    expect(hub.requestedTopics).toHaveLength(requestedTopics);
  });
});
