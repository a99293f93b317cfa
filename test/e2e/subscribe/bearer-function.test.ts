import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpClientConfig, SubscriberServiceConfig } from 'websub-subscriber';
import { recordingLogger } from '../../kit/recording-logger.js';
import { exchange, request } from '../../kit/wire.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

/** A bearer function that returns a new token at each call, and throws while `failsWith` is set. */
class TokenService {
  readonly issued: string[] = [];
  failsWith: unknown;

  readonly httpConfig: HttpClientConfig = {
    auth: {
      bearer: async () => {
        if (this.failsWith !== undefined) throw this.failsWith;
        this.issued.push(`t0ken-number-${this.issued.length + 1}`);
        return this.issued.at(-1) ?? '';
      },
    },
  };
}

async function setUp(configOf: (tokens: TokenService) => SubscriberServiceConfig) {
  const world = new FakeWorld();
  const hub = await startHub({ now: () => world.now });
  const tokens = new TokenService();
  const topic = hub.topic('/feed');
  const logger = recordingLogger();
  const { service } = recordingService({ target: topic.url, unsubscribeOnShutdown: false, ...configOf(tokens) });
  const start = async () => {
    const runtime = await world.start(service, { logger });
    onTestFinished(() => runtime.stopNow());
    return runtime;
  };
  return { world, hub, topic, tokens, logger, start };
}

describe('auth.bearer as a function', () => {
  it('is called for each request to the hub, and for each discovery', async () => {
    const { hub, start } = await setUp(({ httpConfig }) => ({ httpConfig, discoveryConfig: { httpConfig } }));
    const runtime = await start();
    await runtime.ready();
    const { id } = await onlySubscription(runtime);
    await runtime.renew(id);
    await hub.until(() => hub.requests.filter(({ method }) => method === 'POST').length === 2);
    const authorizations = hub.requests.flatMap(({ headers }) => headers.get('authorization') ?? []);
    expect(authorizations).toEqual([1, 2, 3, 4].map((number) => `Bearer t0ken-number-${number}`));
  });

  it.each(['the hub', 'discovery'])(
    'fails the attempt when it throws, and is called again for the next attempt (%s)',
    async (endpoint) => {
      const { world, hub, tokens, start } = await setUp(({ httpConfig }) =>
        endpoint === 'discovery' ? { discoveryConfig: { httpConfig } } : { httpConfig },
      );
      tokens.failsWith = new Error('the token service is down');
      const runtime = await start();
      const failed = await until(async () => (await runtime.subscriptions.find({ state: 'failed' }))[0]);
      expect(failed.lastError).toMatchObject({
        cause: 'configuration',
        message: expect.stringMatching(/auth\.bearer failed: the token service is down\.$/),
      });
      expect(failed).toMatchObject({ attempts: 1, failures: { configuration: { count: 1 } } });
      tokens.failsWith = undefined;
      world.advance(60_000);
      await untilIdle();
      await runtime.ready();
      await hub.settled();
      expect(await runtime.subscriptions.count({ state: 'active' })).toBe(1);
    },
  );

  it('leaks no token to a log, an error or a snapshot, even if its own errors quote a token', async () => {
    const { tokens, hub, logger, start } = await setUp(({ httpConfig }) => ({ httpConfig }));
    const runtime = await start();
    await runtime.ready();
    const errors: unknown[] = [];
    runtime.hooks.on('failed', ({ error }) => void errors.push(error));
    runtime.hooks.on('denied', ({ error }) => void errors.push(error));
    const { id, callback = '', topic = '' } = await onlySubscription(runtime);
    tokens.failsWith = new Error('t0ken-number-1 has expired');
    await runtime.renew(id);
    await until(() => errors.length === 1);
    tokens.failsWith = undefined;
    hub.fail(401, { times: 1, body: 'wrong: Bearer t0ken-number-2' });
    await runtime.retry(id);
    await until(() => errors.length === 2);
    const query = new URLSearchParams({
      'hub.mode': 'denied',
      'hub.topic': topic,
      'hub.reason': 'Bearer t0ken-number-2 is unknown',
    });
    await exchange(runtime.port ?? 0, request('GET', `${new URL(callback).pathname}?${query.toString()}`));
    await until(() => errors.length === 3);
    const shown = inspect([errors, await runtime.subscriptions.find(), logger.lines], { depth: 20 });
    expect(shown).toContain('[redacted] has expired');
    expect(shown).toContain('wrong: Bearer [redacted]');
    expect(shown).toContain('Bearer [redacted] is unknown');
    expect(shown).not.toContain('t0ken-number');
  });
});
