import type { RequestListener, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startService, type HubAndTopic } from 'websub-subscriber';
import { FakeWorld } from '../kit/fake-world.js';
import { reader, strangersServer, until } from '../kit/world.js';

const QUIET = { port: 0, store: 'memory', logger: false, handleSignals: false } as const;

/** A hub that answers when it is told to, and verifies nothing. */
async function bareHub() {
  const asked: (string | null)[] = [];
  const open: ServerResponse[] = [];
  let onAsked = (): void => {};
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => void (body += String(chunk)));
    request.on('end', () => {
      asked.push(new URLSearchParams(body).get('hub.topic'));
      open.push(response);
      onAsked();
    });
  };
  const { url, ...server } = await strangersServer(listener);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const answer = (): void => {
    for (const response of open.splice(0)) response.writeHead(202).end();
  };
  const topics = (count: number): HubAndTopic[] =>
    Array.from({ length: count }, (_, index) => ({ hub: `${url}/`, topic: `https://example.com/${index}` }));
  return {
    asked,
    topics,
    answer,
    get open() {
      return open.length;
    },
    /** Calls back each time that another request is open. */
    onAsked(callback: () => void) {
      onAsked = callback;
    },
  };
}

describe('L5 the pacing of what is asked', () => {
  it.each([
    [8, 10_000],
    [1, 2_000],
  ])(
    'has %i requests in flight at one hub at most, until all of %i have been asked for',
    async (limit, count) => {
      const hub = await bareHub();
      let most = 0;
      hub.onAsked(() => {
        most = Math.max(most, hub.open);
        // Held until no further one is to be expected, and for a while in which one too many would come.
        const isLast = hub.asked.length + limit > count;
        if (hub.open >= limit || isLast) setImmediate(() => setImmediate(hub.answer));
      });
      const { service } = reader({ targets: hub.topics(count) });
      const security = limit === 8 ? {} : { hubConcurrency: limit };
      const runtime = await startService(service, { ...QUIET, security });
      onTestFinished(() => runtime.stopNow());
      await vi.waitFor(() => expect(hub.asked.length).toBeGreaterThanOrEqual(count), { timeout: 55_000, interval: 50 });
      expect(most).toBe(limit);
      expect(new Set(hub.asked).size).toBe(count);
      expect(hub.asked).toHaveLength(count);
    },
    60_000,
  );

  it('resolves startService when the first requests have been answered and the rest wait', async () => {
    const hub = await bareHub();
    const { service } = reader({ targets: hub.topics(100) });
    hub.onAsked(() => {
      if (hub.asked.length === 8) hub.answer();
    });
    const runtime = await startService(service, QUIET);
    onTestFinished(() => runtime.stopNow());
    expect(hub.asked.length).toBeLessThan(17);
    await expect(runtime.ready({ timeoutMs: 0 })).rejects.toThrow(
      /^Not ready after 0 ms; .*; and 80 more\. Hubs must reach /,
    );
  });

  it('does not hold up one hub by another that hangs', async () => {
    const [hung, quick] = [await bareHub(), await bareHub()];
    quick.onAsked(quick.answer);
    const { service } = reader({ targets: [...hung.topics(20), ...quick.topics(20)] });
    const starting = startService(service, { ...QUIET, security: { hubConcurrency: 2 } });
    await until(() => quick.asked.length === 20);
    expect(hung.asked).toHaveLength(2);
    hung.answer();
    const runtime = await starting;
    await runtime.stopNow();
  });

  it('gives a hub its time to verify from when the request has left, not from when it was due', async () => {
    const hub = await bareHub();
    const world = new FakeWorld();
    const [first, second] = hub.topics(2);
    const { service } = reader({ targets: [first, second].flatMap((target) => target ?? []) });
    const starting = world.start(service, { security: { hubConcurrency: 1 } });
    await until(() => hub.open === 1);
    hub.answer();
    await until(() => hub.open === 1);
    const runtime = await starting;
    onTestFinished(() => runtime.stopNow());
    const { id } = await runtime.subscribe(service, {
      target: { hub: first?.hub ?? '', topic: 'https://example.com/x' },
    });
    // It waits for far longer than it would have had, and is not asked for a second time for that.
    for (let minute = 0; minute < 5; minute += 1) world.pass(60_001);
    expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'requested', attempts: 0 });
    hub.onAsked(hub.answer);
    hub.answer();
    await until(() => hub.asked.includes('https://example.com/x'));
    await until(async () => (await runtime.subscriptions.get(id))?.state === 'verifying');
    world.pass(59_000);
    expect(await runtime.subscriptions.get(id)).toMatchObject({ state: 'verifying', attempts: 0 });
    expect(hub.asked.filter((topic) => topic === 'https://example.com/x')).toHaveLength(1);
  });

  it('asks for nothing that was ended while it waited', async () => {
    const hub = await bareHub();
    const { service } = reader({ targets: hub.topics(3) });
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
    hub.onAsked(hub.answer);
    hub.answer();
    await until(() => hub.asked.length === 3);
    expect((await runtime.subscriptions.get(other.id))?.state).toBe('verifying');
    expect(hub.asked).toEqual(['https://example.com/0', 'https://example.com/1', 'https://example.com/x']);
    expect(waiting).toMatchObject({ target: third });
  });

  it('lets go of what waits when the runtime stops', async () => {
    const hub = await bareHub();
    const { service } = reader({ targets: hub.topics(50) });
    const starting = startService(service, QUIET);
    await until(() => hub.open === 8);
    hub.answer();
    const runtime = await starting;
    await until(() => hub.open === 8);
    const asked = hub.asked.length;
    hub.onAsked(hub.answer);
    await runtime.stopNow();
    expect(hub.asked).toHaveLength(asked);
  });
});
