import { readFileSync } from 'node:fs';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { OriginRateLimits } from '../../../src/hub/pacing/origin-rate-limits.js';
import { WithheldCredentials } from '../../../src/hub/redaction/withheld-credentials.js';
import { hubClient } from '../../../src/hub/hub-client.js';
import { subscriptionRequests } from '../../../src/subscription/requests/subscription-requests.js';
import type {
  GrantRecord,
  SubscriptionOverrides,
  SubscriptionRecord,
} from '../../../src/subscription/record/record.js';
import type { SubscriptionTarget } from '../../../src/subscription/record/snapshot.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { unusedPort } from '../../kit/ports.js';
import { everyHostHere, startServer, answerWith, type Answer } from '../../kit/recording-server.js';
import { Closing } from '../../../src/engine/closing.js';
import { testContext } from '../../kit/test-context.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { subscription, POLICY, world, type World } from '../registry/registry-world.js';
import { stubName } from '../../kit/set-up/names.js';
import { START } from '../machine/subscription-machine.js';

const tls = {
  key: readFileSync(new URL('../../fixtures/tls/key.pem', import.meta.url)),
  cert: readFileSync(new URL('../../fixtures/tls/certificate.pem', import.meta.url)),
};

const lookup: LookupFunction = (_host, { all }, done) =>
  all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);

/** Resolves every host to this machine, so that a hub can have a name that is not a loopback name. */
const everyHostIsLocal = new Agent({ connect: { lookup, rejectUnauthorized: false } });

const overHttps = { httpConfig: { dispatcher: everyHostIsLocal } };

afterAll(() => everyHostIsLocal.close());

const hubs: TestHub[] = [];

afterEach(async () => {
  await Promise.all(hubs.splice(0).map((hub) => hub.close()));
});

async function startHub(options: Parameters<typeof TestHub.start>[0] = {}): Promise<TestHub> {
  const hub = await TestHub.start({ verify: 'never', ...options });
  hubs.push(hub);
  return hub;
}

interface SubscribedWorld extends World {
  readonly closing: Closing;
  /** Resolves when no discovery or request is in flight. */
  idle(): Promise<void>;
  record(): SubscriptionRecord;
  grant(): GrantRecord;
}

/** Subscribes to a target, and performs the effects. */
async function subscribeTo(
  target: SubscriptionTarget,
  overriddenPolicy: Partial<RequestPolicy> = {},
  overrides?: SubscriptionOverrides,
): Promise<SubscribedWorld> {
  const subscribedWorld = await world();
  const policy = { ...POLICY, ...overriddenPolicy };
  subscribedWorld.policy = policy;
  const closing = new Closing();
  const rateLimits = new OriginRateLimits({ now: () => subscribedWorld.now, random: () => 0.5 });
  // These tests check warnings. Debug lines have their own tests.
  const logger = Object.assign(recordingLogger(subscribedWorld.lines), { isLevelEnabled: () => false });
  const now = (): number => subscribedWorld.now;
  const withheld = new WithheldCredentials(recordingLogger(subscribedWorld.lines));
  const context = testContext({ logger, now, closing });
  const { registry } = subscribedWorld;
  const client = hubClient(context, { rateLimits, withheld });
  const topicSinks = { sinkFor: () => undefined };
  const requests = subscriptionRequests(context, { client, registry, rateLimits, topicSinks });
  const work = new Set<Promise<void>>();
  const run = (task: Promise<void>): void => {
    const done = task
      .catch(
        (error: unknown) =>
          void subscribedWorld.lines.push({
            level: 'fatal',
            event: undefined,
            fields: { isThrown: true },
            message: String(error),
          }),
      )
      .finally(() => work.delete(done));
    work.add(done);
  };
  subscribedWorld.perform = (record, effect) => {
    if (effect.type === 'discover') run(requests.discover(record, policy));
    if (effect.type === 'request') run(requests.request(record, effect.grantId, effect.mode, policy));
    if (effect.type === 'bypass-rate-limits') rateLimits.bypass(record.id);
    if (effect.type === 'hook') subscribedWorld.performed.push({ effect, stored: Promise.resolve() });
  };
  const record = (): SubscriptionRecord => subscribedWorld.registry.get('s')?.record ?? subscription('missing');
  const subscribed: SubscribedWorld = Object.assign(subscribedWorld, {
    closing,
    record,
    idle: async () => {
      while (work.size > 0) await Promise.all(work);
    },
    grant: () => {
      const grant = record().grants.at(-1);
      if (grant === undefined) throw new Error('there is no grant');
      return grant;
    },
  });
  await subscribedWorld.registry.add({ ...subscription('s', target), overrides });
  await subscribedWorld.apply('s', { type: 'wanted' });
  return subscribed;
}

const bodies = (hub: TestHub): readonly URLSearchParams[] =>
  hub.requests.filter(({ method }) => method === 'POST').map(({ body }) => new URLSearchParams(body.toString()));

describe('discovery', () => {
  test('D1 finds the hub of a target, and a request follows', async () => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { body: 'news', discovery: 'link-header' });
    const subscribedWorld = await subscribeTo(topic.url);
    await subscribedWorld.idle();
    expect(subscribedWorld.record()).toMatchObject({ topic: topic.self, hubs: [hub.url] });
    expect(subscribedWorld.grant()).toMatchObject({
      state: 'verifying',
      pending: { accepted: true },
      hasHubAccepted: true,
    });
    expect(bodies(hub)[0]?.get('hub.topic')).toBe(topic.self);
    expect(hub.violations).toEqual([]);
  });

  test('D9 is skipped if hub and topic are known', async () => {
    const hub = await startHub();
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(1);
    expect(subscribedWorld.grant().topic).toBe('https://publisher.example/feed');
  });

  test('D7 records its failure with the reason, and is retried', async () => {
    const hub = await startHub();
    const subscribedWorld = await subscribeTo(hub.topic('/feed', { body: 'news', discovery: 'none' }).url);
    await subscribedWorld.idle();
    expect(subscribedWorld.record()).toMatchObject({
      attempts: 1,
      nextAttemptAt: START + 1_000,
      lastError: { cause: 'discovery', code: 'ERR_WEBSUB_DISCOVERY' },
    });
  });

  test('logs its warnings', async () => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { body: 'news', discovery: 'link-header', self: false });
    const subscribedWorld = await subscribeTo(topic.url);
    await subscribedWorld.idle();
    expect(subscribedWorld.lines.filter(({ event }) => event === 'discovery.warning')).toMatchObject([
      {
        level: 'warn',
        fields: { subscription: 's', target: topic.url },
        message: expect.stringContaining('self'),
      },
    ]);
  });

  test('that is aborted changes nothing', async () => {
    const hub = await startHub({ delayMs: { topic: 60_000 } });
    const subscribedWorld = await subscribeTo(hub.topic('/feed', { body: 'news', discovery: 'link-header' }).url);
    await hub.until(() => hub.requests.length > 0);
    subscribedWorld.closing.abort();
    await subscribedWorld.idle();
    expect(subscribedWorld.record()).toMatchObject({ attempts: 0, hubs: [] });
  });
});

describe('a request', () => {
  const request = async (
    hub: TestHub,
    policy: Partial<RequestPolicy> = {},
    overrides?: SubscriptionOverrides,
  ): Promise<SubscribedWorld> => {
    const subscribedWorld = await subscribeTo(
      { hub: hub.url, topic: 'https://publisher.example/feed' },
      policy,
      overrides,
    );
    await subscribedWorld.idle();
    return subscribedWorld;
  };

  test('S1 carries the options of the service, overridden by those of the subscription', async () => {
    const hub = await startHub();
    const policy = { secret: 'from the service', customParams: { tenant: 'a' }, customHeaders: { 'x-tenant': 'a' } };
    const subscribedWorld = await request(
      hub,
      { ...policy, rules: { ...POLICY.rules, leaseSeconds: 60 } },
      { leaseSeconds: 3_600 },
    );
    expect(Object.fromEntries(bodies(hub)[0] ?? [])).toEqual({
      'hub.callback': subscribedWorld.grant().callback,
      'hub.mode': 'subscribe',
      'hub.topic': 'https://publisher.example/feed',
      'hub.lease_seconds': '3600',
      'hub.secret': 'from the service',
      tenant: 'a',
    });
    expect(hub.requests[0]?.headers.get('x-tenant')).toBe('a');
  });

  test('S4 carries a verify token and by default no secret with PubSubHubbub 0.3', async () => {
    const hub = await startHub({ protocol: 'pubsubhubbub-0.3' });
    const subscribedWorld = await request(hub, { protocol: 'pubsubhubbub-0.3' });
    const [body] = bodies(hub);
    expect(body?.get('hub.verify_token')).toBe(subscribedWorld.grant().verifyToken);
    expect(body?.getAll('hub.verify')).not.toEqual([]);
    expect(body?.has('hub.secret')).toBe(false);
  });

  test.each<readonly [string, string | false | undefined, string | false | undefined, unknown]>([
    ['a secret of the subscription', 'from the service', 'its own', 'its own'],
    ['secret: false of the subscription', 'from the service', false, null],
    ['secret: false of the service', false, undefined, null],
    ["secret: 'auto'", 'auto', undefined, expect.stringMatching(/^[\da-f]{64}$/)],
    ['no option, over http', undefined, undefined, null],
  ])('carries the secret that is configured by %s', async (_name, secret, overriddenSecret, expected) => {
    const hub = await startHub();
    await request(hub, { secret }, { secret: overriddenSecret });
    expect(bodies(hub)[0]?.get('hub.secret')).toEqual(expected);
  });

  test('logs a warning that names the option if plain HTTP means no secret', async () => {
    const hub = await startHub();
    const { lines } = await request(hub);
    const namesTheOption = expect.stringMatching(/secret: 'auto' for signatures/);
    expect(lines).toMatchObject([
      {
        level: 'warn',
        event: 'secret.not-used',
        fields: { hub: hub.url, needsPermission: false },
        message: namesTheOption,
      },
    ]);
  });

  test('logs the warning about plain HTTP once for a hub', async () => {
    const hub = await startHub();
    hub.fail(503);
    const subscribedWorld = await request(hub);
    subscribedWorld.now += 60_000;
    subscribedWorld.engine.tick();
    await expect.poll(() => bodies(hub).length).toBe(2);
    await subscribedWorld.idle();
    expect(subscribedWorld.lines.filter(({ event }) => event === 'secret.not-used')).toHaveLength(1);
  });

  test('repeats an automatic secret in the next request', async () => {
    const hub = await startHub();
    const subscribedWorld = await request(hub, { secret: 'auto' });
    subscribedWorld.now += 60_000;
    subscribedWorld.engine.tick();
    await expect.poll(() => subscribedWorld.grant().state).toBe('failed');
    subscribedWorld.now += 60_000;
    subscribedWorld.engine.tick();
    await expect.poll(() => bodies(hub).length).toBe(2);
    await subscribedWorld.idle();
    const [first, second] = bodies(hub).map((body) => body.get('hub.secret'));
    expect(second).toBe(first);
  });

  test.each([
    [503, 'hub-error'],
    [409, 'hub-error'],
    [403, 'refused'],
  ])('S3 that is answered %i fails as %s, and its Retry-After is stored', async (status, cause) => {
    const hub = await startHub();
    hub.fail(status, { retryAfter: 3_600 });
    const subscribedWorld = await request(hub);
    expect(subscribedWorld.record().lastError).toMatchObject({ cause, code: 'ERR_WEBSUB_INITIATION' });
    expect(subscribedWorld.grant()).toMatchObject({ state: 'failed', notBefore: START + 3_600_000 });
  });

  test('S3 fails as unreachable if the hub does not listen', async () => {
    const hub = await startHub();
    await hub.close();
    const subscribedWorld = await request(hub);
    expect(subscribedWorld.record().lastError?.cause).toBe('unreachable');
    expect(subscribedWorld.grant().nextAttemptAt).toBe(START + 1_000);
  });

  test('S5 is not sent with a secret over plain HTTP, and the error names the option', async () => {
    const hub = await startHub({ hostname: 'hub.example' });
    const subscribedWorld = await request(hub, {
      secret: 'a secret one',
      httpConfig: { dispatcher: everyHostIsLocal },
    });
    expect(bodies(hub)).toEqual([]);
    expect(subscribedWorld.record().lastError).toMatchObject({
      cause: 'configuration',
      message: expect.stringMatching(/allowInsecureSecret/),
    });
  });

  test('fails with the cause `configuration` if it cannot be built', async () => {
    const hub = await startHub();
    const subscribedWorld = await request(hub, { secret: 'x'.repeat(200) });
    expect(bodies(hub)).toEqual([]);
    expect(subscribedWorld.record().lastError).toMatchObject({
      cause: 'configuration',
      code: 'ERR_WEBSUB_CONFIGURATION',
    });
  });

  test('S3 remembers a permanent redirect, and not a temporary one', async () => {
    const [hub, second] = [await startHub(), await startHub()];
    hub.redirect(308, second.url);
    const redirected = await request(hub);
    expect(redirected.grant()).toMatchObject({ advertisedHub: hub.url, hub: second.url });
    expect(redirected.performed.map(({ effect }) => effect)).toContainEqual(
      expect.objectContaining({ name: 'hub-moved' }),
    );
    hub.redirect(307, second.url);
    expect((await request(hub)).grant().hub).toBe(hub.url);
  });

  test('S7 is tried over https first, and the URL that works is remembered', async () => {
    const hub = await startHub({ hostname: 'hub.example' });
    const subscribedWorld = await request(hub, overHttps);
    expect(bodies(hub)).toHaveLength(1);
    expect(subscribedWorld.grant()).toMatchObject({
      state: 'verifying',
      hub: hub.url,
      hasHubAccepted: true,
      attempts: 0,
    });
    const secrets = subscribedWorld.grant().secrets.map(({ role, value }) => [role, value === null]);
    // The secret of the request over https, which may have been sent, and none over http.
    expect(secrets).toEqual([
      ['replaced', false],
      ['pending', true],
    ]);
    expect(subscribedWorld.lines.at(-1)).toMatchObject({
      event: 'secret.not-used',
      fields: { needsPermission: true },
      message: expect.stringContaining('security.allowInsecureSecret'),
    });
  });

  test('S7 uses the https form with a secret if the hub accepts it', async () => {
    const hub = await startHub({ hostname: 'hub.example', tls });
    const advertised = hub.url.replace('https:', 'http:');
    const subscribedWorld = await subscribeTo({ hub: advertised, topic: 'https://publisher.example/feed' }, overHttps);
    await subscribedWorld.idle();
    expect(subscribedWorld.grant()).toMatchObject({ state: 'verifying', advertisedHub: advertised, hub: hub.url });
    expect(bodies(hub)[0]?.get('hub.secret')).toMatch(/^[\da-f]{64}$/);
    expect(subscribedWorld.lines).toEqual([]);
  });

  test('S7 is not tried over http if the hub refuses it over https', async () => {
    const hub = await startHub({ hostname: 'hub.example', tls });
    hub.fail(403);
    const subscribedWorld = await subscribeTo(
      { hub: hub.url.replace('https:', 'http:'), topic: 'https://publisher.example/feed' },
      overHttps,
    );
    await subscribedWorld.idle();
    expect(subscribedWorld.record()).toMatchObject({ attempts: 1, lastError: { cause: 'refused' } });
    expect(hub.requests).toHaveLength(1);
  });

  test('S6 to unsubscribe goes to the hub of the subscription', async () => {
    const hub = await startHub();
    const subscribedWorld = await request(hub, { secret: 'a secret one' });
    await subscribedWorld.apply('s', {
      type: 'verified',
      grantId: subscribedWorld.grant().id,
      mode: 'subscribe',
      leaseSeconds: '60',
    });
    await subscribedWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await subscribedWorld.idle();
    expect(Object.fromEntries(bodies(hub)[1] ?? [])).toEqual({
      'hub.callback': subscribedWorld.grant().callback,
      'hub.mode': 'unsubscribe',
      'hub.topic': 'https://publisher.example/feed',
    });
  });

  test('L1 times out no later than the verification deadline', async () => {
    const hub = await startHub({ delayMs: { answer: 60_000 } });
    const subscribedWorld = await request(hub, { rules: { ...POLICY.rules, verifyTimeoutSeconds: 0.05 } });
    expect(subscribedWorld.record().lastError).toMatchObject({
      cause: 'unreachable',
      message: expect.stringMatching(/within 50 ms/),
    });
  });

  test('that is aborted changes nothing', async () => {
    const hub = await startHub({ delayMs: { answer: 60_000 } });
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await hub.until(() => hub.requests.length > 0);
    subscribedWorld.closing.abort();
    await subscribedWorld.idle();
    expect(subscribedWorld.grant()).toMatchObject({ state: 'verifying', pending: { accepted: false } });
  });

  test('is not sent for an unwanted subscription or a missing grant', async () => {
    const hub = await startHub();
    const subscribedWorld = await request(hub);
    const { perform } = subscribedWorld;
    const { id } = subscribedWorld.grant();
    const record = subscribedWorld.record();
    await subscribedWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    for (const grantId of [id, 'gone'])
      perform?.(record, { type: 'request', grantId, requestId: 'an old one', mode: 'subscribe' });
    await subscribedWorld.idle();
    expect(bodies(hub)).toHaveLength(1);
  });

  test('is sent once if it is carried out twice at the same time', async () => {
    const hub = await startHub({ delayMs: { answer: 50 } });
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: 'https://publisher.example/feed' });
    const { grants } = subscribedWorld.record();
    const [{ id: grantId, currentRequest = '' } = { id: '' }] = grants;
    const effect = { type: 'request', grantId, requestId: currentRequest, mode: 'subscribe' } as const;
    subscribedWorld.perform?.(subscribedWorld.record(), effect);
    await subscribedWorld.idle();
    expect(bodies(hub)).toHaveLength(1);
  });

  test('S3 is not sent again by an effect that waited while the hub answered with Retry-After', async () => {
    const hub = await startHub({ fail: { status: 503, retryAfter: 3_600 } });
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await subscribedWorld.idle();
    const effect = { type: 'request', grantId: subscribedWorld.grant().id, requestId: 'r', mode: 'subscribe' } as const;
    subscribedWorld.now += 1_000;
    subscribedWorld.perform?.(subscribedWorld.record(), effect);
    await subscribedWorld.idle();
    expect(bodies(hub)).toHaveLength(1);
    expect(subscribedWorld.grant().nextAttemptAt).toBe(subscribedWorld.now - 1_000 + 3_600_000);
  });

  test('does not count as refused if the hub accepted it and the store failed', async () => {
    const hub = await startHub({ delayMs: { answer: 50 } });
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await hub.until(() => hub.requests.length > 0);
    subscribedWorld.isFailing = true;
    await subscribedWorld.idle();
    subscribedWorld.isFailing = false;
    expect(subscribedWorld.lines).toContainEqual(expect.objectContaining({ fields: { isThrown: true } }));
    expect(subscribedWorld.grant()).toMatchObject({ state: 'verifying', attempts: 0, pending: { accepted: false } });
  });
});

describe('a private address', () => {
  test('gets no request if a page with a public address names it', async () => {
    stubName('publisher.example', '8.8.8.8');
    const hub = await startHub();
    await using publisher = await startServer((_request, response) => {
      const link = `<${hub.url}>; rel=hub, <http://publisher.example/feed>; rel=self`;
      response.writeHead(200, { link }).end();
    });
    const policy = { allowPrivateNetworks: false, discoveryConfig: overHttps };
    const subscribedWorld = await subscribeTo(`http://publisher.example:${publisher.port}/feed`, policy);
    await subscribedWorld.idle();
    expect(publisher.requests).toHaveLength(1);
    expect(subscribedWorld.grant()).toMatchObject({ hub: hub.url, attempts: 1 });
    expect(subscribedWorld.record().lastError?.message).toMatch(
      /127\.0\.0\.1 is not a public address.*allowPrivateNetworks/,
    );
    expect(hub.requests).toEqual([]);
  });

  test('gets requests if the target itself is private', async () => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { body: 'news', discovery: 'link-header' });
    for (const target of [topic.url, { hub: hub.url, topic: topic.url }]) {
      const subscribedWorld = await subscribeTo(target, { allowPrivateNetworks: false });
      await subscribedWorld.idle();
      expect(subscribedWorld.grant().state).toBe('verifying');
    }
  });
});

/** Answers each request with the next answer, and all later ones with the last. */
function inOrder(...answers: readonly Answer[]): Answer {
  let count = 0;
  return (request, response) => {
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    answer?.(request, response);
  };
}

const TOPIC_OF_HUB = 'https://publisher.example/feed';

/** The requests of a server as forms. */
const forms = (server: { readonly requests: readonly { readonly body: string }[] }): URLSearchParams[] =>
  server.requests.map(({ body }) => new URLSearchParams(body));

describe('a hub that wants hub.verify', () => {
  const requiresVerify: Answer = ({ body }, response) => {
    const isMissing = !new URLSearchParams(body).has('hub.verify');
    response.writeHead(isMissing ? 400 : 202).end(isMissing ? 'hub.verify is missing' : '');
  };

  test('S3 gets a second request at once, with the same secret and no token, and that form from then on', async () => {
    await using hub = await startServer(requiresVerify);
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB }, { secret: 'auto' });
    await subscribedWorld.idle();
    expect(subscribedWorld.record()).toMatchObject({ attempts: 0 });
    expect(subscribedWorld.grant()).toMatchObject({
      state: 'verifying',
      verifyForm: 'async',
      pending: { accepted: true },
    });
    const [first, second] = forms(hub);
    expect(first?.has('hub.verify')).toBe(false);
    expect(second?.getAll('hub.verify')).toEqual(['async']);
    expect(second?.has('hub.verify_token')).toBe(false);
    expect(second?.get('hub.secret')).toBe(first?.get('hub.secret'));

    const grantId = subscribedWorld.grant().id;
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await subscribedWorld.apply('s', { type: 'renewal-wanted' });
    await subscribedWorld.idle();
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await subscribedWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await subscribedWorld.idle();
    const later = forms(hub).slice(2);
    expect(later.map((form) => [form.get('hub.mode'), form.getAll('hub.verify')])).toEqual([
      ['subscribe', ['async']],
      ['unsubscribe', ['async']],
    ]);
  });

  test('S3 counts one failure, with its first answer, if it refuses both forms', async () => {
    await using hub = await startServer(
      inOrder(answerWith(400, {}, 'no such topic'), answerWith(503, { 'retry-after': '60' }, 'busy')),
    );
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(2);
    expect(subscribedWorld.record()).toMatchObject({
      attempts: 1,
      lastError: { cause: 'refused', message: expect.stringMatching(/answered 400: "no such topic"\.$/) },
    });
    expect(subscribedWorld.record().failures).toMatchObject({ refused: { count: 1 } });
    expect(subscribedWorld.grant().verifyForm).toBeUndefined();
  });

  test('S3 gets no second request if customParams has hub.verify', async () => {
    await using hub = await startServer(answerWith(400));
    const customParams = { 'hub.verify': 'sync' };
    await (await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB }, { customParams })).idle();
    expect(forms(hub).map((form) => form.getAll('hub.verify'))).toEqual([['sync']]);
  });

  test('S3 gets no second request with PubSubHubbub 0.3, which always sends hub.verify', async () => {
    await using hub = await startServer(answerWith(400));
    await (await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB }, { protocol: 'pubsubhubbub-0.3' })).idle();
    expect(hub.requests).toHaveLength(1);
  });

  test.each([401, 404, 422])('S3 gets no second request after %i', async (code) => {
    await using hub = await startServer(answerWith(code));
    await (await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB })).idle();
    expect(hub.requests).toHaveLength(1);
  });

  test('S3 gets no second request once it has accepted a request, even if it never verified', async () => {
    await using hub = await startServer(
      inOrder(answerWith(202), answerWith(503), answerWith(503), answerWith(503), answerWith(400)),
    );
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    for (let count = 2; count <= 5; count += 1) {
      for (const end = subscribedWorld.now + 600_000; hub.requests.length < count && subscribedWorld.now < end;) {
        subscribedWorld.now += 10_000;
        subscribedWorld.engine.tick();
        await subscribedWorld.idle();
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(forms(hub).filter((form) => form.has('hub.verify'))).toEqual([]);
    expect(hub.requests).toHaveLength(5);
  });

  test('S3 gets no second unsubscribe request', async () => {
    await using hub = await startServer(inOrder(answerWith(202), answerWith(400)));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    const grantId = subscribedWorld.grant().id;
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await subscribedWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(2);
    expect(subscribedWorld.grant()).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test('S7 gets the second request at the URL that answered 400', async () => {
    await using hub = await startServer(requiresVerify);
    const dispatcher = everyHostHere({ http: hub.port, https: await unusedPort() });
    const subscribedWorld = await subscribeTo(
      { hub: 'http://hub.test/', topic: TOPIC_OF_HUB },
      { httpConfig: { dispatcher } },
    );
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(2);
    expect(subscribedWorld.grant()).toMatchObject({
      state: 'verifying',
      hub: 'http://hub.test/',
      verifyForm: 'async',
      attempts: 0,
    });
    await dispatcher.destroy();
  });
});

describe('S4 a 204', () => {
  test.each([
    ['completes a PubSubHubbub 0.3 request', { protocol: 'pubsubhubbub-0.3' } as const, [answerWith(204)], 'active'],
    ['completes a request with hub.verify=async', {}, [answerWith(400), answerWith(204)], 'active'],
    ['does not complete a WebSub request', {}, [answerWith(204)], 'verifying'],
  ])('%s', async (_case, policy, answers, state) => {
    await using hub = await startServer(inOrder(...answers));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB }, policy);
    await subscribedWorld.idle();
    expect(subscribedWorld.grant().state).toBe(state);
  });

  test('is stored at once', async () => {
    await using hub = await startServer(answerWith(204));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB }, { protocol: 'pubsubhubbub-0.3' });
    await subscribedWorld.idle();
    await subscribedWorld.apply('s', { type: 'renewal-wanted' });
    subscribedWorld.now += 1_000;
    await subscribedWorld.idle();
    const stored = JSON.stringify(await subscribedWorld.store.get('subscription', 's'));
    expect(stored).toContain(`"verifiedAt":${subscribedWorld.grant().verifiedAt}`);
  });
});

describe('S3 an unsubscribe request', () => {
  test.each([
    ['unsubscribed', 204, 'unsubscribed'],
    ['unsubscribed', 404, 'unsubscribed'],
    ['unsubscribed', 410, 'unsubscribed'],
    ['unsubscribed', 400, 'unsubscribing'],
    ['deleted', 400, 'unsubscribed'],
    ['deleted', 503, 'unsubscribing'],
  ] as const)('for a subscription that is %s, answered %i, leads to the state %s', async (why, code, state) => {
    await using hub = await startServer(inOrder(answerWith(202), answerWith(code)));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    const grantId = subscribedWorld.grant().id;
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await subscribedWorld.apply('s', { type: 'unwanted', why });
    await subscribedWorld.idle();
    expect(subscribedWorld.grant().state).toBe(state);
  });
});

describe('S3 a hub that answers 429 with Retry-After', () => {
  const tooManyRequests = answerWith(429, { 'retry-after': '600' }, 'too many');

  /** Adds another subscription at the same hub. */
  async function addOther(
    subscribedWorld: SubscribedWorld,
    hub: string,
    topic = 'https://publisher.example/other',
  ): Promise<void> {
    await subscribedWorld.registry.add({ ...subscription('other'), target: { hub, topic } });
    await subscribedWorld.apply('other', { type: 'wanted' });
    await subscribedWorld.idle();
  }
  const grantOfOther = (subscribedWorld: SubscribedWorld): GrantRecord | undefined =>
    subscribedWorld.registry.get('other')?.record.grants[0];

  test('gets no request of another subscription until then, and that subscription counts no failure', async () => {
    await using hub = await startServer(tooManyRequests);
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    expect(subscribedWorld.grant()).toMatchObject({
      attempts: 1,
      notBefore: START + 600_000,
      nextAttemptAt: START + 630_000,
    });
    await addOther(subscribedWorld, `${hub.url}/elsewhere`);
    expect(hub.requests).toHaveLength(1);
    expect(subscribedWorld.registry.get('other')?.record.attempts).toBe(0);
    expect(grantOfOther(subscribedWorld)).toMatchObject({
      state: 'requested',
      attempts: 0,
      nextAttemptAt: START + 630_000,
    });
    const lines = subscribedWorld.lines.filter(({ event }) => event === 'hub.rate-limited');
    expect(lines).toMatchObject([{ level: 'warn', fields: { origin: hub.url } }]);
  });

  test('gets unsubscribe requests', async () => {
    await using hub = await startServer(inOrder(answerWith(202), tooManyRequests, answerWith(202)));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    const grantId = subscribedWorld.grant().id;
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '86400' });
    await addOther(subscribedWorld, hub.url);
    await subscribedWorld.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await subscribedWorld.idle();
    expect(forms(hub).map((form) => form.get('hub.mode'))).toEqual(['subscribe', 'subscribe', 'unsubscribe']);
  });

  test('gets one request when the user retries', async () => {
    await using hub = await startServer(tooManyRequests);
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    await addOther(subscribedWorld, hub.url);
    await subscribedWorld.apply('other', { type: 'retried', isImmediate: true });
    await subscribedWorld.idle();
    expect(forms(hub).map((form) => form.get('hub.topic'))).toEqual([TOPIC_OF_HUB, 'https://publisher.example/other']);
    expect(grantOfOther(subscribedWorld)).toMatchObject({ attempts: 1 });
    await subscribedWorld.apply('other', { type: 'retried' });
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(2);
  });

  test('gets the renewal of a lease that ends before then', async () => {
    await using hub = await startServer(inOrder(answerWith(202), tooManyRequests, answerWith(202)));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    const grantId = subscribedWorld.grant().id;
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '300' });
    await addOther(subscribedWorld, hub.url);
    await subscribedWorld.apply('s', { type: 'renewal-wanted' });
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(3);
  });

  test('gets no request through a redirect from another origin', async () => {
    await using redirectTarget = await startServer(tooManyRequests);
    await using hub = await startServer(answerWith(307, { location: redirectTarget.url }));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
    await subscribedWorld.idle();
    await addOther(subscribedWorld, hub.url);
    expect(hub.requests).toHaveLength(2);
    expect(redirectTarget.requests).toHaveLength(1);
    expect(grantOfOther(subscribedWorld)).toMatchObject({
      state: 'requested',
      attempts: 0,
      pending: undefined,
      nextAttemptAt: START + 630_000,
    });
    // A retry by the user bypasses the limit, also after the redirect.
    await subscribedWorld.apply('other', { type: 'retried', isImmediate: true });
    await subscribedWorld.idle();
    expect(redirectTarget.requests).toHaveLength(2);
  });

  test('S7 gets no request over http if its https form does not exist', async () => {
    await using hub = await startServer(tooManyRequests);
    await using secure = await startServer(answerWith(404), { tls: true });
    const dispatcher = everyHostHere({ http: hub.port, https: secure.port });
    const subscribedWorld = await subscribeTo(
      { hub: 'http://hub.test/', topic: TOPIC_OF_HUB },
      { httpConfig: { dispatcher } },
    );
    await subscribedWorld.idle();
    await addOther(subscribedWorld, 'http://hub.test/');
    expect(hub.requests).toHaveLength(1);
    expect(secure.requests).toHaveLength(2);
    expect(grantOfOther(subscribedWorld)).toMatchObject({
      attempts: 0,
      pending: undefined,
      nextAttemptAt: START + 630_000,
    });
    await dispatcher.destroy();
  });

  test('defers nothing with 503, or without Retry-After', async () => {
    for (const answer of [answerWith(503, { 'retry-after': '600' }), answerWith(429)]) {
      await using hub = await startServer(answer);
      const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB });
      await subscribedWorld.idle();
      await addOther(subscribedWorld, hub.url);
      expect(hub.requests).toHaveLength(2);
    }
  });
});

describe('S5 credentials', () => {
  const policy = {
    httpConfig: { auth: { bearer: 'token' }, headers: { cookie: 'a=b' } },
    customHeaders: { 'x-own': '1' },
  };

  test('go to the advertised hub, and never to the target of a 308', async () => {
    await using redirectTarget = await startServer(answerWith(202));
    await using hub = await startServer(answerWith(308, { location: redirectTarget.url }));
    const subscribedWorld = await subscribeTo({ hub: hub.url, topic: TOPIC_OF_HUB }, policy);
    await subscribedWorld.idle();
    expect(hub.requests[0]?.headers).toMatchObject({ authorization: 'Bearer token', cookie: 'a=b', 'x-own': '1' });
    expect(subscribedWorld.grant()).toMatchObject({ hub: `${redirectTarget.url}/`, advertisedHub: hub.url });
    const grantId = subscribedWorld.grant().id;
    await subscribedWorld.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await subscribedWorld.apply('s', { type: 'renewal-wanted' });
    await subscribedWorld.idle();
    expect(hub.requests).toHaveLength(1);
    expect(redirectTarget.requests).toHaveLength(2);
    for (const { headers } of redirectTarget.requests) {
      for (const name of ['authorization', 'cookie', 'x-own']) expect(headers).not.toHaveProperty(name);
    }
    const warnings = subscribedWorld.lines.filter(({ event }) => event === 'credentials.withheld');
    expect(warnings).toMatchObject([{ level: 'warn', fields: { service: 'News', origin: redirectTarget.url } }]);
  });

  test('S7 go to the https form of a hub that is configured as http', async () => {
    await using secure = await startServer(answerWith(202), { tls: true });
    const dispatcher = everyHostHere({ http: await unusedPort(), https: secure.port });
    const httpConfig = { ...policy.httpConfig, dispatcher };
    const subscribedWorld = await subscribeTo(
      { hub: 'http://hub.test/', topic: TOPIC_OF_HUB },
      { ...policy, httpConfig },
    );
    await subscribedWorld.idle();
    expect(subscribedWorld.grant().hub).toBe('https://hub.test/');
    expect(secure.requests[0]?.headers).toMatchObject({ authorization: 'Bearer token', 'x-own': '1' });
    await dispatcher.destroy();
  });

  test('without a token fail the attempt at the https form, without a request over http', async () => {
    await using plain = await startServer(answerWith(202));
    const dispatcher = everyHostHere({ http: plain.port, https: await unusedPort() });
    let calls = 0;
    const bearer = async (): Promise<string> => {
      calls += 1;
      throw new Error('the token service is down');
    };
    const httpConfig = { auth: { bearer }, dispatcher };
    const subscribedWorld = await subscribeTo({ hub: 'http://hub.test/', topic: TOPIC_OF_HUB }, { httpConfig });
    await subscribedWorld.idle();
    expect(calls).toBe(1);
    expect(plain.requests).toEqual([]);
    expect(subscribedWorld.record()).toMatchObject({
      attempts: 1,
      lastError: {
        cause: 'configuration',
        message: expect.stringMatching(
          /the request was not sent, because httpConfig\.auth\.bearer failed: the token service is down\.$/,
        ),
      },
    });
    expect(subscribedWorld.grant().nextAttemptAt).toBe(START + 1_000);
    await dispatcher.destroy();
  });
});
