import { readFileSync } from 'node:fs';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { OriginRateLimits } from '../../../src/hub/pacing/origin-rate-limits.js';
import { WithheldCredentials } from '../../../src/hub/redaction/withheld-credentials.js';
import { hubClient } from '../../../src/subscription/requests/hub-client.js';
import type {
  GrantRecord,
  SubscriptionOverrides,
  SubscriptionRecord,
} from '../../../src/subscription/record/record.js';
import type { SubscriptionTarget } from '../../../src/subscription/record/snapshot.js';
import type { RequestPolicy } from '../../../src/subscription/request-policy.js';
import { closedPort, everyHostHere, startServer, status, type Answer } from '../../kit/recording-server.js';
import { stubName } from '../../kit/set-up/names.js';
import { START } from '../machine/life.js';
import { recordingLogger, subscription, TERMS, world, type World } from '../registry/registry-world.js';

const tls = {
  key: readFileSync(new URL('../../fixtures/tls/key.pem', import.meta.url)),
  cert: readFileSync(new URL('../../fixtures/tls/certificate.pem', import.meta.url)),
};

const lookup: LookupFunction = (_host, { all }, done) =>
  all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);

/** Finds every host on this machine, so that a hub can have a name that is not loopback's. */
const everywhereHere = new Agent({ connect: { lookup, rejectUnauthorized: false } });

const overHttps = { httpConfig: { dispatcher: everywhereHere } };

afterAll(() => everywhereHere.close());

const hubs: TestHub[] = [];

afterEach(async () => {
  await Promise.all(hubs.splice(0).map((hub) => hub.close()));
});

async function startHub(options: Parameters<typeof TestHub.start>[0] = {}): Promise<TestHub> {
  const hub = await TestHub.start({ verify: 'never', ...options });
  hubs.push(hub);
  return hub;
}

interface Asked extends World {
  readonly abort: AbortController;
  /** Resolves when nothing is being asked any more. */
  idle(): Promise<void>;
  record(): SubscriptionRecord;
  grant(): GrantRecord;
}

/** Wants a target, and carries out what that asks for. */
async function wanted(
  target: SubscriptionTarget,
  terms: Partial<RequestPolicy> = {},
  overrides?: SubscriptionOverrides,
): Promise<Asked> {
  const here = await world();
  const mine = { ...TERMS, ...terms };
  here.terms = mine;
  const abort = new AbortController();
  const holds = new OriginRateLimits({ now: () => here.now, random: () => 0.5 });
  const client = hubClient({
    apply: (id, event) => here.registry.apply(id, event),
    // These tests are about warnings; debug lines have tests of their own.
    logger: Object.assign(recordingLogger(here.lines), { isLevelEnabled: () => false }),
    now: () => here.now,
    rateLimits: holds,
    withheld: new WithheldCredentials(recordingLogger(here.lines)),
    keeperOf: () => undefined,
    signal: abort.signal,
  });
  const work = new Set<Promise<void>>();
  const run = (task: Promise<void>): void => {
    const done = task
      .catch((error: unknown) => void here.lines.push({ level: 'thrown', fields: {}, message: String(error) }))
      .finally(() => work.delete(done));
    work.add(done);
  };
  here.perform = (record, effect) => {
    if (effect.type === 'discover') run(client.discover(record, mine));
    if (effect.type === 'request') run(client.request(record, effect.grantId, effect.mode, mine));
    if (effect.type === 'release') holds.bypass(record.id);
    if (effect.type === 'hook') here.performed.push({ effect, stored: Promise.resolve() });
  };
  const record = (): SubscriptionRecord => here.registry.get('s')?.record ?? subscription('missing');
  const asked: Asked = Object.assign(here, {
    abort,
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
  await here.registry.add({ ...subscription('s', target), overrides });
  await here.registry.apply('s', { type: 'wanted' });
  return asked;
}

const bodies = (hub: TestHub): readonly URLSearchParams[] =>
  hub.requests.filter(({ method }) => method === 'POST').map(({ body }) => new URLSearchParams(body.toString()));

describe('discovery', () => {
  test('D1 finds the hub of a target, and asks it', async () => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { body: 'news', discovery: 'link-header' });
    const here = await wanted(topic.url);
    await here.idle();
    expect(here.record()).toMatchObject({ topic: topic.self, hubs: [hub.url] });
    expect(here.grant()).toMatchObject({ state: 'verifying', pending: { accepted: true }, hubSettled: true });
    expect(bodies(hub)[0]?.get('hub.topic')).toBe(topic.self);
    expect(hub.violations).toEqual([]);
  });

  test('D9 is left out where hub and topic are known', async () => {
    const hub = await startHub();
    const here = await wanted({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await here.idle();
    expect(hub.requests).toHaveLength(1);
    expect(here.grant().topic).toBe('https://publisher.example/feed');
  });

  test('D7 that fails is noted with its reason, to be tried again', async () => {
    const hub = await startHub();
    const here = await wanted(hub.topic('/feed', { body: 'news', discovery: 'none' }).url);
    await here.idle();
    expect(here.record()).toMatchObject({
      attempts: 1,
      nextAttemptAt: START + 1_000,
      lastError: { cause: 'discovery', code: 'ERR_WEBSUB_DISCOVERY' },
    });
  });

  test('tells the log what is odd', async () => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { body: 'news', discovery: 'link-header', self: false });
    const here = await wanted(topic.url);
    await here.idle();
    expect(here.lines.map(({ message }) => message).join()).toContain('self');
  });

  test('that is given up leaves things as they are', async () => {
    const hub = await startHub({ delayMs: { topic: 60_000 } });
    const here = await wanted(hub.topic('/feed', { body: 'news', discovery: 'link-header' }).url);
    await hub.until(() => hub.requests.length > 0);
    here.abort.abort();
    await here.idle();
    expect(here.record()).toMatchObject({ attempts: 0, hubs: [] });
  });
});

describe('a request', () => {
  const ask = async (
    hub: TestHub,
    terms: Partial<RequestPolicy> = {},
    overrides?: SubscriptionOverrides,
  ): Promise<Asked> => {
    const here = await wanted({ hub: hub.url, topic: 'https://publisher.example/feed' }, terms, overrides);
    await here.idle();
    return here;
  };

  test('S1 carries what the service says, and what the subscription says before it', async () => {
    const hub = await startHub();
    const terms = { secret: 'from the service', customParams: { tenant: 'a' }, customHeaders: { 'x-tenant': 'a' } };
    const here = await ask(hub, { ...terms, rules: { ...TERMS.rules, leaseSeconds: 60 } }, { leaseSeconds: 3_600 });
    expect(Object.fromEntries(bodies(hub)[0] ?? [])).toEqual({
      'hub.callback': here.grant().callback,
      'hub.mode': 'subscribe',
      'hub.topic': 'https://publisher.example/feed',
      'hub.lease_seconds': '3600',
      'hub.secret': 'from the service',
      tenant: 'a',
    });
    expect(hub.requests[0]?.headers.get('x-tenant')).toBe('a');
  });

  test('S4 of PubSubHubbub 0.3 carries a verify token, and no secret by default', async () => {
    const hub = await startHub({ protocol: 'pubsubhubbub-0.3' });
    const here = await ask(hub, { protocol: 'pubsubhubbub-0.3' });
    const [body] = bodies(hub);
    expect(body?.get('hub.verify_token')).toBe(here.grant().verifyToken);
    expect(body?.getAll('hub.verify')).not.toEqual([]);
    expect(body?.has('hub.secret')).toBe(false);
  });

  test.each<readonly [string, string | false | undefined, string | false | undefined, unknown]>([
    ['a secret of the subscription', 'from the service', 'its own', 'its own'],
    ['false of the subscription', 'from the service', false, null],
    ['false of the service', false, undefined, null],
    ['auto', 'auto', undefined, expect.stringMatching(/^[\da-f]{64}$/)],
    ['nothing, over http', undefined, undefined, null],
  ])('carries the secret that follows from %s', async (_what, secret, own, expected) => {
    const hub = await startHub();
    await ask(hub, { secret }, { secret: own });
    expect(bodies(hub)[0]?.get('hub.secret')).toEqual(expected);
  });

  test('warns where it carries no secret because of plain HTTP, and what to set', async () => {
    const hub = await startHub();
    const { lines } = await ask(hub);
    expect(lines).toMatchObject([
      { level: 'warn', message: expect.stringMatching(/Set secret: 'auto' to have it signed/) },
    ]);
  });

  test('warns of that once, however often the hub is asked', async () => {
    const hub = await startHub();
    hub.fail(503);
    const here = await ask(hub);
    here.now += 60_000;
    here.engine.tick();
    await expect.poll(() => bodies(hub).length).toBe(2);
    await here.idle();
    expect(here.lines.filter(({ message }) => message.includes('plain HTTP'))).toHaveLength(1);
  });

  test('an automatic secret is repeated at the next request', async () => {
    const hub = await startHub();
    const here = await ask(hub, { secret: 'auto' });
    here.now += 60_000;
    here.engine.tick();
    await expect.poll(() => here.grant().state).toBe('failed');
    here.now += 60_000;
    here.engine.tick();
    await expect.poll(() => bodies(hub).length).toBe(2);
    await here.idle();
    const [first, second] = bodies(hub).map((body) => body.get('hub.secret'));
    expect(second).toBe(first);
  });

  test.each([
    [503, 'hub-error'],
    [409, 'hub-error'],
    [403, 'refused'],
  ])('S3 that is answered %i is noted as %s, with Retry-After', async (status, cause) => {
    const hub = await startHub();
    hub.fail(status, { retryAfter: 3_600 });
    const here = await ask(hub);
    expect(here.record().lastError).toMatchObject({ cause, code: 'ERR_WEBSUB_INITIATION' });
    expect(here.grant()).toMatchObject({ state: 'failed', notBefore: START + 3_600_000 });
  });

  test('S3 that finds nobody is noted as unreachable', async () => {
    const hub = await startHub();
    await hub.close();
    const here = await ask(hub);
    expect(here.record().lastError?.cause).toBe('unreachable');
    expect(here.grant().nextAttemptAt).toBe(START + 1_000);
  });

  test('S5 that would carry a secret over plain HTTP is refused before it is sent, and says what to set', async () => {
    const hub = await startHub({ hostname: 'hub.example' });
    const here = await ask(hub, { secret: 'a secret one', httpConfig: { dispatcher: everywhereHere } });
    expect(bodies(hub)).toEqual([]);
    expect(here.record().lastError).toMatchObject({
      cause: 'configuration',
      message: expect.stringMatching(/allowInsecureSecret/),
    });
  });

  test('that cannot be made is noted as a matter of configuration', async () => {
    const hub = await startHub();
    const here = await ask(hub, { secret: 'x'.repeat(200) });
    expect(bodies(hub)).toEqual([]);
    expect(here.record().lastError).toMatchObject({ cause: 'configuration', code: 'ERR_WEBSUB_CONFIGURATION' });
  });

  test('S3 a permanent redirect is remembered, a temporary one is not', async () => {
    const [hub, second] = [await startHub(), await startHub()];
    hub.redirect(308, second.url);
    const moved = await ask(hub);
    expect(moved.grant()).toMatchObject({ advertisedHub: hub.url, hub: second.url });
    expect(moved.performed.map(({ effect }) => effect)).toContainEqual(expect.objectContaining({ name: 'hub-moved' }));
    hub.redirect(307, second.url);
    expect((await ask(hub)).grant().hub).toBe(hub.url);
  });

  test('S7 is tried over https first, and what works is remembered', async () => {
    const hub = await startHub({ hostname: 'hub.example' });
    const here = await ask(hub, overHttps);
    expect(bodies(hub)).toHaveLength(1);
    expect(here.grant()).toMatchObject({ state: 'verifying', hub: hub.url, hubSettled: true, attempts: 0 });
    const secrets = here.grant().secrets.map(({ role, value }) => [role, value === null]);
    // The one that left, or did not, over https, and none over http.
    expect(secrets).toEqual([
      ['replaced', false],
      ['pending', true],
    ]);
    expect(here.lines.at(-1)?.message).toContain('security.allowInsecureSecret');
  });

  test('S7 keeps to the https form where the hub takes it there, with a secret', async () => {
    const hub = await startHub({ hostname: 'hub.example', tls });
    const advertised = hub.url.replace('https:', 'http:');
    const here = await wanted({ hub: advertised, topic: 'https://publisher.example/feed' }, overHttps);
    await here.idle();
    expect(here.grant()).toMatchObject({ state: 'verifying', advertisedHub: advertised, hub: hub.url });
    expect(bodies(hub)[0]?.get('hub.secret')).toMatch(/^[\da-f]{64}$/);
    expect(here.lines).toEqual([]);
  });

  test('S7 is not tried over http where the hub refuses it over https', async () => {
    const hub = await startHub({ hostname: 'hub.example', tls });
    hub.fail(403);
    const here = await wanted(
      { hub: hub.url.replace('https:', 'http:'), topic: 'https://publisher.example/feed' },
      overHttps,
    );
    await here.idle();
    expect(here.record()).toMatchObject({ attempts: 1, lastError: { cause: 'refused' } });
    expect(hub.requests).toHaveLength(1);
  });

  test('S6 to end it goes where the subscription is', async () => {
    const hub = await startHub();
    const here = await ask(hub, { secret: 'a secret one' });
    await here.registry.apply('s', {
      type: 'verified',
      grantId: here.grant().id,
      mode: 'subscribe',
      leaseSeconds: '60',
    });
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await here.idle();
    expect(Object.fromEntries(bodies(hub)[1] ?? [])).toEqual({
      'hub.callback': here.grant().callback,
      'hub.mode': 'unsubscribe',
      'hub.topic': 'https://publisher.example/feed',
    });
  });

  test('L1 is not open for longer than the hub has for verifying', async () => {
    const hub = await startHub({ delayMs: { answer: 60_000 } });
    const here = await ask(hub, { rules: { ...TERMS.rules, verifyTimeoutSeconds: 0.05 } });
    expect(here.record().lastError).toMatchObject({
      cause: 'unreachable',
      message: expect.stringMatching(/within 50 ms/),
    });
  });

  test('that is given up leaves things as they are', async () => {
    const hub = await startHub({ delayMs: { answer: 60_000 } });
    const here = await wanted({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await hub.until(() => hub.requests.length > 0);
    here.abort.abort();
    await here.idle();
    expect(here.grant()).toMatchObject({ state: 'verifying', pending: { accepted: false } });
  });

  test('is not sent for what is unwanted by then, or is not there', async () => {
    const hub = await startHub();
    const here = await ask(hub);
    const { perform } = here;
    const { id } = here.grant();
    const record = here.record();
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    for (const grantId of [id, 'gone']) perform?.(record, { type: 'request', grantId, mode: 'subscribe' });
    await here.idle();
    expect(bodies(hub)).toHaveLength(1);
  });

  test('that the hub accepted and the store could not note is not taken for a refusal', async () => {
    const hub = await startHub({ delayMs: { answer: 50 } });
    const here = await wanted({ hub: hub.url, topic: 'https://publisher.example/feed' });
    await hub.until(() => hub.requests.length > 0);
    here.isFailing = true;
    await here.idle();
    here.isFailing = false;
    expect(here.lines).toContainEqual(expect.objectContaining({ level: 'thrown' }));
    expect(here.grant()).toMatchObject({ state: 'verifying', attempts: 0, pending: { accepted: false } });
  });
});

describe('addresses that are not public', () => {
  test('are not asked where a page under a public name leads there', async () => {
    stubName('publisher.example', '8.8.8.8');
    const hub = await startHub();
    await using publisher = await startServer((_request, response) => {
      const link = `<${hub.url}>; rel=hub, <http://publisher.example/feed>; rel=self`;
      response.writeHead(200, { link }).end();
    });
    const terms = { allowPrivateNetworks: false, discoveryConfig: overHttps };
    const here = await wanted(`http://publisher.example:${publisher.port}/feed`, terms);
    await here.idle();
    expect(publisher.requests).toHaveLength(1);
    expect(here.grant()).toMatchObject({ hub: hub.url, attempts: 1 });
    expect(here.record().lastError?.message).toMatch(/127\.0\.0\.1 is not a public address.*allowPrivateNetworks/);
    expect(hub.requests).toEqual([]);
  });

  test('are asked where the target itself is at one, or where it is allowed', async () => {
    const hub = await startHub();
    const topic = hub.topic('/feed', { body: 'news', discovery: 'link-header' });
    for (const target of [topic.url, { hub: hub.url, topic: topic.url }]) {
      const here = await wanted(target, { allowPrivateNetworks: false });
      await here.idle();
      expect(here.grant().state).toBe('verifying');
    }
  });
});

/** A hub at which each answer is for one request more, the last one for all that follow. */
function inOrder(...answers: readonly Answer[]): Answer {
  let count = 0;
  return (request, response) => {
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    answer?.(request, response);
  };
}

const TOPIC_OF_HUB = 'https://publisher.example/feed';

/** What servers were sent, as forms. */
const forms = (server: { readonly requests: readonly { readonly body: string }[] }): URLSearchParams[] =>
  server.requests.map(({ body }) => new URLSearchParams(body));

describe('a hub that wants hub.verify', () => {
  const old: Answer = ({ body }, response) => {
    const wants = !new URLSearchParams(body).has('hub.verify');
    response.writeHead(wants ? 400 : 202).end(wants ? 'hub.verify is missing' : '');
  };

  test('S3 is asked once more at once, with the same secret and no token, and gets that form from then on', async () => {
    await using hub = await startServer(old);
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB }, { secret: 'auto' });
    await here.idle();
    expect(here.record()).toMatchObject({ attempts: 0 });
    expect(here.grant()).toMatchObject({ state: 'verifying', verifyForm: 'async', pending: { accepted: true } });
    const [first, second] = forms(hub);
    expect(first?.has('hub.verify')).toBe(false);
    expect(second?.getAll('hub.verify')).toEqual(['async']);
    expect(second?.has('hub.verify_token')).toBe(false);
    expect(second?.get('hub.secret')).toBe(first?.get('hub.secret'));

    const grantId = here.grant().id;
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await here.registry.apply('s', { type: 'renewal-wanted' });
    await here.idle();
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await here.idle();
    const later = forms(hub).slice(2);
    expect(later.map((form) => [form.get('hub.mode'), form.getAll('hub.verify')])).toEqual([
      ['subscribe', ['async']],
      ['unsubscribe', ['async']],
    ]);
  });

  test('S3 that refuses all the same counts once, with its first answer', async () => {
    await using hub = await startServer(
      inOrder(status(400, {}, 'no such topic'), status(503, { 'retry-after': '60' }, 'busy')),
    );
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    expect(hub.requests).toHaveLength(2);
    expect(here.record()).toMatchObject({
      attempts: 1,
      lastError: { cause: 'refused', message: expect.stringMatching(/answered 400: "no such topic"$/) },
    });
    expect(here.record().failures).toMatchObject({ refused: { count: 1 } });
    expect(here.grant().verifyForm).toBeUndefined();
  });

  test('S3 is not asked once more where customParams has hub.verify', async () => {
    await using hub = await startServer(status(400));
    const customParams = { 'hub.verify': 'sync' };
    await (await wanted({ hub: hub.url, topic: TOPIC_OF_HUB }, { customParams })).idle();
    expect(forms(hub).map((form) => form.getAll('hub.verify'))).toEqual([['sync']]);
  });

  test('S3 is not asked once more in PubSubHubbub 0.3, which has it anyway', async () => {
    await using hub = await startServer(status(400));
    await (await wanted({ hub: hub.url, topic: TOPIC_OF_HUB }, { protocol: 'pubsubhubbub-0.3' })).idle();
    expect(hub.requests).toHaveLength(1);
  });

  test.each([401, 404, 422])('S3 is not asked once more after %i', async (code) => {
    await using hub = await startServer(status(code));
    await (await wanted({ hub: hub.url, topic: TOPIC_OF_HUB })).idle();
    expect(hub.requests).toHaveLength(1);
  });

  test('S3 is not asked once more once a request of the grant was accepted, though it was never verified', async () => {
    await using hub = await startServer(inOrder(status(202), status(503), status(503), status(503), status(400)));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    for (let count = 2; count <= 5; count += 1) {
      for (const end = here.now + 600_000; hub.requests.length < count && here.now < end;) {
        here.now += 10_000;
        here.engine.tick();
        await here.idle();
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(forms(hub).filter((form) => form.has('hub.verify'))).toEqual([]);
    expect(hub.requests).toHaveLength(5);
  });

  test('S3 is not asked once more to end a subscription', async () => {
    await using hub = await startServer(inOrder(status(202), status(400)));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    const grantId = here.grant().id;
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await here.idle();
    expect(hub.requests).toHaveLength(2);
    expect(here.grant()).toMatchObject({ state: 'unsubscribing', attempts: 1 });
  });

  test('S7 is asked once more at the form of its URL that answered 400', async () => {
    await using hub = await startServer(old);
    const dispatcher = everyHostHere({ http: hub.port, https: await closedPort() });
    const here = await wanted({ hub: 'http://hub.test/', topic: TOPIC_OF_HUB }, { httpConfig: { dispatcher } });
    await here.idle();
    expect(hub.requests).toHaveLength(2);
    expect(here.grant()).toMatchObject({
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
    ['in PubSubHubbub 0.3', { protocol: 'pubsubhubbub-0.3' } as const, [status(204)], 'active'],
    ['after a 400', {}, [status(400), status(204)], 'active'],
    ['in WebSub’s form', {}, [status(204)], 'verifying'],
  ])('%s', async (_how, terms, answers, state) => {
    await using hub = await startServer(inOrder(...answers));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB }, terms);
    await here.idle();
    expect(here.grant().state).toBe(state);
  });

  test('is stored at once', async () => {
    await using hub = await startServer(status(204));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB }, { protocol: 'pubsubhubbub-0.3' });
    await here.idle();
    await here.registry.apply('s', { type: 'renewal-wanted' });
    here.now += 1_000;
    await here.idle();
    const stored = JSON.stringify(await here.store.get('subscription', 's'));
    expect(stored).toContain(`"verifiedAt":${here.grant().verifiedAt}`);
  });
});

describe('S3 the end of a subscription', () => {
  test.each([
    ['unsubscribed', 204, 'unsubscribed'],
    ['unsubscribed', 404, 'unsubscribed'],
    ['unsubscribed', 410, 'unsubscribed'],
    ['unsubscribed', 400, 'unsubscribing'],
    ['deleted', 400, 'unsubscribed'],
    ['deleted', 503, 'unsubscribing'],
  ] as const)('that is wanted as it was %s, answered %i: %s', async (why, code, state) => {
    await using hub = await startServer(inOrder(status(202), status(code)));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    const grantId = here.grant().id;
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await here.registry.apply('s', { type: 'unwanted', why });
    await here.idle();
    expect(here.grant().state).toBe(state);
  });
});

describe('S3 a hub that answers 429 with Retry-After', () => {
  const busy = status(429, { 'retry-after': '600' }, 'too many');

  /** Another subscription at the same hub. */
  async function another(here: Asked, hub: string, topic = 'https://publisher.example/other'): Promise<void> {
    await here.registry.add({ ...subscription('other'), target: { hub, topic } });
    await here.registry.apply('other', { type: 'wanted' });
    await here.idle();
  }
  const grantOfOther = (here: Asked): GrantRecord | undefined => here.registry.get('other')?.record.grants[0];

  test('gets no subscribe request of others before, which count no failure', async () => {
    await using hub = await startServer(busy);
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    expect(here.grant()).toMatchObject({ attempts: 1, notBefore: START + 600_000, nextAttemptAt: START + 630_000 });
    await another(here, `${hub.url}/elsewhere`);
    expect(hub.requests).toHaveLength(1);
    expect(here.registry.get('other')?.record.attempts).toBe(0);
    expect(grantOfOther(here)).toMatchObject({ state: 'requested', attempts: 0, nextAttemptAt: START + 630_000 });
    const lines = here.lines.filter(({ message }) => message.includes('answered 429: subscribe requests'));
    expect(lines).toMatchObject([{ level: 'warn', fields: { hub: hub.url } }]);
  });

  test('gets unsubscriptions', async () => {
    await using hub = await startServer(inOrder(status(202), busy, status(202)));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    const grantId = here.grant().id;
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '86400' });
    await another(here, hub.url);
    await here.registry.apply('s', { type: 'unwanted', why: 'unsubscribed' });
    await here.idle();
    expect(forms(hub).map((form) => form.get('hub.mode'))).toEqual(['subscribe', 'subscribe', 'unsubscribe']);
  });

  test('gets what the user retries, once', async () => {
    await using hub = await startServer(busy);
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    await another(here, hub.url);
    await here.registry.apply('other', { type: 'retried', atOnce: true });
    await here.idle();
    expect(forms(hub).map((form) => form.get('hub.topic'))).toEqual([TOPIC_OF_HUB, 'https://publisher.example/other']);
    expect(grantOfOther(here)).toMatchObject({ attempts: 1 });
    await here.registry.apply('other', { type: 'retried' });
    await here.idle();
    expect(hub.requests).toHaveLength(2);
  });

  test('gets a renewal of a lease that would run out before', async () => {
    await using hub = await startServer(inOrder(status(202), busy, status(202)));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    const grantId = here.grant().id;
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '300' });
    await another(here, hub.url);
    await here.registry.apply('s', { type: 'renewal-wanted' });
    await here.idle();
    expect(hub.requests).toHaveLength(3);
  });

  test('at another origin, where a redirect leads, gets none either', async () => {
    await using moved = await startServer(busy);
    await using hub = await startServer(status(307, { location: moved.url }));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
    await here.idle();
    await another(here, hub.url);
    expect(hub.requests).toHaveLength(2);
    expect(moved.requests).toHaveLength(1);
    expect(grantOfOther(here)).toMatchObject({
      state: 'requested',
      attempts: 0,
      pending: undefined,
      nextAttemptAt: START + 630_000,
    });
    // A redirect that stays at its origin is followed where the request was let through.
    await here.registry.apply('other', { type: 'retried', atOnce: true });
    await here.idle();
    expect(moved.requests).toHaveLength(2);
  });

  test('S7 at http, where its https form is none, gets none either', async () => {
    await using hub = await startServer(busy);
    await using secure = await startServer(status(404), { tls: true });
    const dispatcher = everyHostHere({ http: hub.port, https: secure.port });
    const here = await wanted({ hub: 'http://hub.test/', topic: TOPIC_OF_HUB }, { httpConfig: { dispatcher } });
    await here.idle();
    await another(here, 'http://hub.test/');
    expect(hub.requests).toHaveLength(1);
    expect(secure.requests).toHaveLength(2);
    expect(grantOfOther(here)).toMatchObject({ attempts: 0, pending: undefined, nextAttemptAt: START + 630_000 });
    await dispatcher.destroy();
  });

  test('holds nothing back with 503, and nothing without Retry-After', async () => {
    for (const answer of [status(503, { 'retry-after': '600' }), status(429)]) {
      await using hub = await startServer(answer);
      const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB });
      await here.idle();
      await another(here, hub.url);
      expect(hub.requests).toHaveLength(2);
    }
  });
});

describe('S5 credentials', () => {
  const terms = {
    httpConfig: { auth: { bearer: 'token' }, headers: { cookie: 'a=b' } },
    customHeaders: { 'x-own': '1' },
  };

  test('go to the hub as it was advertised, and not where a 308 leads, then and later', async () => {
    await using moved = await startServer(status(202));
    await using hub = await startServer(status(308, { location: moved.url }));
    const here = await wanted({ hub: hub.url, topic: TOPIC_OF_HUB }, terms);
    await here.idle();
    expect(hub.requests[0]?.headers).toMatchObject({ authorization: 'Bearer token', cookie: 'a=b', 'x-own': '1' });
    expect(here.grant()).toMatchObject({ hub: `${moved.url}/`, advertisedHub: hub.url });
    const grantId = here.grant().id;
    await here.registry.apply('s', { type: 'verified', grantId, mode: 'subscribe', leaseSeconds: '600' });
    await here.registry.apply('s', { type: 'renewal-wanted' });
    await here.idle();
    expect(hub.requests).toHaveLength(1);
    expect(moved.requests).toHaveLength(2);
    for (const { headers } of moved.requests) {
      for (const name of ['authorization', 'cookie', 'x-own']) expect(headers).not.toHaveProperty(name);
    }
    const told = here.lines.filter(({ message }) => message.includes('not sent to'));
    expect(told).toMatchObject([{ level: 'warn', fields: { service: 'News', origin: moved.url } }]);
  });

  test('S7 go to the https form of a hub that was given as http', async () => {
    await using secure = await startServer(status(202), { tls: true });
    const dispatcher = everyHostHere({ http: await closedPort(), https: secure.port });
    const httpConfig = { ...terms.httpConfig, dispatcher };
    const here = await wanted({ hub: 'http://hub.test/', topic: TOPIC_OF_HUB }, { ...terms, httpConfig });
    await here.idle();
    expect(here.grant().hub).toBe('https://hub.test/');
    expect(secure.requests[0]?.headers).toMatchObject({ authorization: 'Bearer token', 'x-own': '1' });
    await dispatcher.destroy();
  });

  test('whose token cannot be had make an attempt fail, at the https form of a hub alone', async () => {
    await using plain = await startServer(status(202));
    const dispatcher = everyHostHere({ http: plain.port, https: await closedPort() });
    let calls = 0;
    const bearer = async (): Promise<string> => {
      calls += 1;
      throw new Error('the token service is down');
    };
    const httpConfig = { auth: { bearer }, dispatcher };
    const here = await wanted({ hub: 'http://hub.test/', topic: TOPIC_OF_HUB }, { httpConfig });
    await here.idle();
    expect(calls).toBe(1);
    expect(plain.requests).toEqual([]);
    expect(here.record()).toMatchObject({
      attempts: 1,
      lastError: {
        cause: 'configuration',
        message: expect.stringMatching(
          /the hub was not asked: httpConfig\.auth\.bearer failed: the token service is down$/,
        ),
      },
    });
    expect(here.grant().nextAttemptAt).toBe(START + 1_000);
    await dispatcher.destroy();
  });
});
