import { describe, expect, it } from 'vitest';
import { startService } from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { compiledFixture } from '../../kit/compiled-fixture.js';
import { runExample, runFile, type ExampleProcess } from '../../kit/example-process.js';
import { recordingService } from '../../kit/recording-service.js';

const LONG = 60_000;

const serviceProcess = await compiledFixture('e2e/fixtures/service-process.ts');

function runService(target: string, options: object = {}): ExampleProcess {
  return runFile(serviceProcess, {
    env: { TARGET: target, OPTIONS: JSON.stringify(options) },
  });
}

describe('a process with a service', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'unsubscribes at %s, and then ends by that signal',
    async (signal) => {
      await using hub = await TestHub.start({ delayMs: { verification: 50 } });
      const topic = hub.topic('/feed');
      await using child = runService(topic.url);
      await child.printed('ready:');
      child.kill(signal);
      expect(await child.ended).toEqual({ code: null, signal });
      expect(child.output()).toMatch(/shutting down/);
      await hub.unsubscribed(topic);
    },
    LONG,
  );

  it(
    'logs its stop before the signal ends the process',
    async () => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      await using child = runService(topic.url, { hasLog: true, gracefulShutdownSeconds: 1 });
      await child.printed('ready:');
      topic.configure({ verify: 'never' });
      child.kill('SIGTERM');
      await child.ended;
      expect(child.output()).toContain('"event":"shutdown.hub-not-verified"');
      expect(child.output()).toContain('"event":"runtime.stopped"');
    },
    LONG,
  );

  it(
    'ends at once at the second signal',
    async () => {
      await using hub = await TestHub.start();
      await using child = runService(hub.topic('/feed').url);
      await child.printed('ready:');
      hub.configure({ delayMs: 60_000 });
      child.kill('SIGTERM');
      await hub.until(() => hub.requests.some(({ form }) => form.get('hub.mode') === 'unsubscribe'));
      child.kill('SIGINT');
      expect(await child.ended).toEqual({ code: null, signal: 'SIGINT' });
      expect(child.output()).not.toMatch(/shutting down/);
    },
    LONG,
  );

  it(
    'is ended by a signal like any other process if handleSignals is false',
    async () => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      await using child = runService(topic.url, { handleSignals: false });
      await child.printed('ready:');
      child.kill('SIGTERM');
      expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' });
      expect(child.output()).not.toMatch(/shutting down/);
      expect(hub.subscriptions).toMatchObject([{ state: 'active' }]);
    },
    LONG,
  );

  it(
    'starts and stops fifty times on each store, and leaves nothing that keeps it alive',
    async () => {
      await using child = runExample('../test/e2e/fixtures/fifty-times');
      expect(await child.ended).toEqual({ code: 0, signal: null });
      expect(child.output().trim()).toBe('stopped');
    },
    LONG,
  );
});

describe('signal handlers', () => {
  const listenerCount = (): number => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
  const quiet = { store: 'memory', logger: false } as const;

  it('are installed once for all listening runtimes, until the last runtime stops', async () => {
    const countBefore = listenerCount();
    const first = await startService(recordingService().service, { ...quiet, port: 0 });
    const second = await startService(recordingService().service, { ...quiet, port: 0 });
    expect(listenerCount()).toBe(countBefore + 2);
    await first.stop();
    expect(listenerCount()).toBe(countBefore + 2);
    await second.stop();
    expect(listenerCount()).toBe(countBefore);
  });

  it('are not installed for a mounted runtime, unless handleSignals is true', async () => {
    const countBefore = listenerCount();
    const mounted = { ...quiet, manual: true, publicUrl: 'https://me.example.com' };
    await using withoutSignals = await startService(recordingService().service, mounted);
    expect(listenerCount()).toBe(countBefore);
    await using withSignals = await startService(recordingService({ name: 'Other' }).service, {
      ...mounted,
      handleSignals: true,
    });
    expect(listenerCount()).toBe(countBefore + 2);
    expect([withoutSignals.port, withSignals.port]).toEqual([undefined, undefined]);
  });
});
