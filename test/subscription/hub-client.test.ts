import { readFileSync } from 'node:fs';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { hubClient } from '../../src/subscription/hub-client.js';
import type { GrantRecord, SubscriptionOverrides, SubscriptionRecord } from '../../src/subscription/record.js';
import type { SubscriptionTarget } from '../../src/subscription/snapshot.js';
import type { ServiceTerms } from '../../src/subscription/terms.js';
import { startServer } from '../hub/recording-server.js';
import { START } from './life.js';
import { recordingLogger, subscription, TERMS, world, type World } from './registry-world.js';

const tls = {
  key: readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url)),
  cert: readFileSync(new URL('../fixtures/tls/certificate.pem', import.meta.url)),
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
  terms: Partial<ServiceTerms> = {},
  overrides?: SubscriptionOverrides,
): Promise<Asked> {
  const here = await world();
  const mine = { ...TERMS, ...terms };
  here.terms = mine;
  const abort = new AbortController();
  const client = hubClient({
    apply: (id, event) => here.registry.apply(id, event),
    logger: recordingLogger(here.lines),
    now: () => here.now,
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
    terms: Partial<ServiceTerms> = {},
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
    expect(lines).toMatchObject([{ level: 'warn', message: expect.stringMatching(/Set secret to have it signed/) }]);
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
