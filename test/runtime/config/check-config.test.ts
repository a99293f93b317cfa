import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/errors.js';
import { Logger } from '../../../src/logger.js';
import { checkServiceConfig } from '../../../src/runtime/config/check-config.js';
import type { SubscriberServiceConfig } from '../../../src/runtime/config/service-config.js';
import { delay } from '../../../src/runtime/services/tsyringe.js';

/** Checks a configuration that the compiler would refuse. */
const check = (config: unknown): unknown => Reflect.apply(checkServiceConfig, undefined, ['News', config]);

function problem(config: unknown): string {
  try {
    check(config);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error('The configuration was accepted.');
}

const feedUrl = 'https://example.com/a';
const hub = 'https://hub.example/';

describe('a service configuration', () => {
  it.each([feedUrl, { hub, topic: feedUrl }, { hub, topic: 'HTTP://example.com/b' }])('may poll %j', (target) => {
    expect(checkServiceConfig('News', { target, delivery: { pollSeconds: 600 } }).targets).toEqual([target]);
  });

  it('may name a topic that is not a URL, without polling', () => {
    const target = { hub, topic: 'urn:fhircast:1' };
    expect(checkServiceConfig('News', { target, delivery: { fetchThinPings: true } }).targets).toEqual([target]);
  });

  it('has defaults', () => {
    expect(checkServiceConfig('News', {})).toEqual({
      name: 'News',
      targets: [],
      inject: undefined,
      leaseSeconds: undefined,
      secret: undefined,
      callback: undefined,
      appendServicePath: false,
      servicePath: undefined,
      unsubscribeOnShutdown: true,
      hubs: 'failover',
      protocol: 'websub',
      httpConfig: {},
      discoveryConfig: {},
      customParams: {},
      customHeaders: {},
      verifyTimeoutSeconds: 60,
      maxAttempts: Number.POSITIVE_INFINITY,
      afterDenial: 'retry',
      rotateSecret: 'never',
      rotateCallback: 'never',
      delivery: {
        mode: 'inline',
        ackAfterMs: 5_000,
        retryForSeconds: 259_200,
        concurrency: 16,
        order: 'none',
        maxPending: 10_000,
        maxPendingBytes: 268_435_456,
        dedupe: false,
        dedupeWindowSeconds: 86_400,
        fetchThinPings: false,
        catchUp: true,
        pollSeconds: 0,
        deadLetters: { keepSeconds: 2_592_000, keepCount: 10_000 },
      },
      signature: { algorithms: ['sha1', 'sha256', 'sha384', 'sha512'], onFailure: 'reject' },
    });
  });

  it('stays unchanged if it is complete and valid', () => {
    const config = {
      name: 'latest news',
      inject: [Logger, 'region', Symbol('tenant'), delay(() => Date)],
      leaseSeconds: 1,
      secret: 'auto',
      callback: 'https://me.example.com/cb',
      appendServicePath: true,
      servicePath: 'news/latest-1.0_~',
      unsubscribeOnShutdown: false,
      hubs: 'failover',
      protocol: 'pubsubhubbub-0.3',
      httpConfig: {
        timeoutMs: 1,
        headers: { 'X-Key': 'k' },
        auth: { username: 'u', password: 'p' },
        maxRedirects: 0,
        dispatcher: new Agent(),
      },
      discoveryConfig: { accept: ['text/html', '*/*'], acceptLanguage: 'nl', httpConfig: { auth: { bearer: 'b' } } },
      customParams: { 'hub.events': 'patient-open', 'subscriber.name': '' },
      customHeaders: { 'X-Tenant': 'a', authorization: 'Bearer x' },
      verifyTimeoutSeconds: 0.2,
      maxAttempts: 1,
      afterDenial: 'stop',
      rotateSecret: 'renewal',
      rotateCallback: 'never',
      delivery: {
        mode: 'queued',
        ackAfterMs: 0,
        retryForSeconds: 0,
        concurrency: 1,
        order: 'subscription',
        maxPending: 1,
        maxPendingBytes: 1_000_000,
        dedupe: 'body',
        dedupeWindowSeconds: 60,
        fetchThinPings: true,
        catchUp: false,
        pollSeconds: 600,
        deadLetters: { keepSeconds: 60, keepCount: 0 },
      },
      signature: { algorithms: ['sha512'], onFailure: 'acknowledge' },
    } as const satisfies SubscriberServiceConfig;
    expect(checkServiceConfig('News', config)).toEqual({ ...config, targets: [] });
  });

  it('treats `undefined` like a field that is not set', () => {
    const config = { leaseSeconds: undefined, appendServicePath: undefined, delivery: { concurrency: undefined } };
    expect(checkServiceConfig('News', config)).toEqual(checkServiceConfig('News', {}));
  });

  it('is a frozen copy of its input', () => {
    const headers = { 'x-tenant': 'a' };
    const targets = [feedUrl];
    const checked = checkServiceConfig('News', { customHeaders: headers, targets });
    headers['x-tenant'] = 'b';
    targets.push('https://example.com/b');
    expect(checked).toMatchObject({ customHeaders: { 'x-tenant': 'a' }, targets: [feedUrl] });
    expect(Object.isFrozen(checked)).toBe(true);
  });

  it('is refused if it is not an object', () => {
    expect(problem('https://example.com/feed')).toBe(
      'Service "News": the configuration is a string; it must be an object.',
    );
    expect(problem(null)).toMatch('the configuration is null');
    expect(problem([])).toMatch('the configuration is an array');
  });

  it("dedupes entries by default if hubs is 'all'", () => {
    expect(checkServiceConfig('News', { hubs: 'all' }).delivery.dedupe).toBe('entries');
    expect(checkServiceConfig('News', { hubs: 'all', delivery: { dedupe: false } }).delivery.dedupe).toBe(false);
  });

  it('is refused with an unknown field, and the error names the field and known fields, but no value', () => {
    expect(problem({ secrets: 'hush' })).toBe('Service "News": secrets is not a known field (did you mean secret?).');
    expect(problem({ delivery: { frequency: 60 } })).toBe(
      'Service "News": delivery.frequency is not a known field (known fields: mode, ackAfterMs, retryForSeconds, concurrency, order, maxPending, maxPendingBytes, dedupe, dedupeWindowSeconds, fetchThinPings, catchUp, pollSeconds, deadLetters).',
    );
    expect(problem({ toString: 1 })).toMatch('toString is not a known field');
  });

  it('appears in errors under its name, or else under the name of the class', () => {
    expect(problem({ name: 'sports', protocol: 'x' })).toMatch(/^Service "sports": /);
    expect(problem({ name: '', protocol: 'x' })).toMatch(/^Service "News": /);
  });

  it('needs a name if the class has none', () => {
    expect(() => checkServiceConfig('', {})).toThrow('A service class without a name requires `name`');
    expect(checkServiceConfig('', { name: 'news' }).name).toBe('news');
    expect(() => checkServiceConfig(' News', {})).toThrow('Service " News": name is " News"; it must be');
  });
});

describe('an invalid service configuration', () => {
  it.each<[config: object, message: string]>([
    [{ name: '' }, 'name is ""; it must be a string of 1 to 200 characters'],
    [{ name: 'a\nb' }, 'name is "a\\nb"; it must be'],
    [{ name: 7 }, 'name is 7; it must be'],
    [{ name: 'n'.repeat(201) }, `name is "${'n'.repeat(100)}…"; it must be`],
    [{ inject: 'Logger' }, 'inject is "Logger"; it must be a list of classes'],
    [{ inject: [Logger, undefined] }, 'inject[1] is undefined; it must be a class, a string, a symbol or tsyringe'],
    [{ inject: [undefined] }, 'undefined often means a circular import: use delay(() => Class)'],
    [{ inject: [''] }, 'inject[0] is ""; it must be a class'],
    [{ inject: [{}] }, 'inject[0] is an object; it must be a class'],
    [{ leaseSeconds: 0 }, 'leaseSeconds is 0; it must be a whole number of seconds, at least 1.'],
    [{ leaseSeconds: 1.5 }, 'leaseSeconds is 1.5; it must be a whole number of seconds'],
    [{ leaseSeconds: Number.NaN }, 'leaseSeconds is NaN; it must be'],
    [{ leaseSeconds: Number.POSITIVE_INFINITY }, 'leaseSeconds is Infinity; it must be'],
    [{ leaseSeconds: '864000' }, 'leaseSeconds is "864000"; it must be'],
    [{ leaseSeconds: 10n }, 'leaseSeconds is a bigint; it must be'],
    [{ leaseSeconds: null }, 'leaseSeconds is null; it must be'],
    [{ appendServicePath: true }, 'appendServicePath is true, which requires callback. Set callback too.'],
    [{ appendServicePath: 'yes' }, 'appendServicePath is "yes"; it must be true or false.'],
    [{ unsubscribeOnShutdown: 1 }, 'unsubscribeOnShutdown is 1; it must be true or false.'],
    [{ hubs: 'first' }, `hubs is "first"; it must be 'failover' or 'all'.`],
    [
      { hubs: 'all', callback: 'https://me.example/news' },
      `hubs is 'all', which requires a callback for each hub. Set appendServicePath too.`,
    ],
    [{ delivery: { dedupe: true } }, `delivery.dedupe is true; it must be 'body', 'entries' or false.`],
    [
      { target: { hub, topic: 'urn:fhircast:1' }, delivery: { pollSeconds: 600 } },
      'Service "News": delivery.pollSeconds is 600, but the topic of urn:fhircast:1 at https://hub.example/ is not an http or https URL and cannot be polled. Omit pollSeconds, or subscribe to that topic with another service.',
    ],
    [
      { targets: [feedUrl, { hub, topic: 'name' }], delivery: { pollSeconds: 1 } },
      'delivery.pollSeconds is 1, but the topic of name at',
    ],
    [{ delivery: { pollSeconds: -1 } }, 'delivery.pollSeconds is -1; it must be a number of seconds, from 0 to'],
    [{ delivery: { catchUp: 'yes' } }, 'delivery.catchUp is "yes"; it must be true or false.'],
    [{ delivery: { fetchThinPings: 1 } }, 'delivery.fetchThinPings is 1; it must be true or false.'],
    [{ delivery: { dedupeWindowSeconds: 0 } }, 'delivery.dedupeWindowSeconds is 0; it must be a number of seconds'],
    [{ protocol: 'pshb' }, `protocol is "pshb"; it must be 'websub' or 'pubsubhubbub-0.3'.`],
    [
      { verifyTimeoutSeconds: 0 },
      'verifyTimeoutSeconds is 0; it must be a number of seconds, from 0.001 to 2147483.647.',
    ],
    [{ verifyTimeoutSeconds: 1e9 }, 'verifyTimeoutSeconds is 1000000000; it must be'],
    [{ maxAttempts: 0 }, 'maxAttempts is 0; it must be a whole number of attempts, at least 1.'],
    [{ delivery: 5 }, 'delivery is a number; it must be an object.'],
    [
      { delivery: { ackAfterMs: -1 } },
      'delivery.ackAfterMs is -1; it must be a whole number of milliseconds, from 0 to',
    ],
    [
      { delivery: { retryForSeconds: -1 } },
      'delivery.retryForSeconds is -1; it must be a number of seconds, at least 0.',
    ],
    [{ delivery: { concurrency: 0 } }, 'delivery.concurrency is 0; it must be a whole number of events, at least 1.'],
    [
      { delivery: { deadLetters: { keepCount: 0.5 } } },
      'delivery.deadLetters.keepCount is 0.5; it must be a whole number of dead letters, at least 0.',
    ],
    [{ delivery: { deadLetters: { keepDays: 3 } } }, 'delivery.deadLetters.keepDays is not a known field'],
    [{ delivery: { mode: 'fast' } }, "delivery.mode is \"fast\"; it must be 'inline' or 'queued'."],
    [{ delivery: { order: 'strict' } }, "delivery.order is \"strict\"; it must be 'none' or 'subscription'."],
    [
      { delivery: { order: 'subscription' } },
      "delivery.order is 'subscription', which requires delivery.mode: 'queued'. Set mode too, or omit order.",
    ],
    [
      { delivery: { order: 'subscription', mode: 'inline' } },
      "delivery.order is 'subscription', which requires delivery.mode: 'queued'. Set mode too, or omit order.",
    ],
    [{ delivery: { maxPending: 0.5 } }, 'delivery.maxPending is 0.5; it must be a whole number of events, at least 1.'],
    [
      { delivery: { maxPendingBytes: 0 } },
      'delivery.maxPendingBytes is 0; it must be a whole number of bytes, at least 1.',
    ],
    [
      { signature: { algorithms: ['sha256', 'md5'] } },
      `signature.algorithms[1] is "md5"; it must be 'sha1' or 'sha256'`,
    ],
    [{ signature: { algorithms: [] } }, 'signature.algorithms is empty, so no signature would be accepted'],
    [{ signature: { algorithms: 'sha256' } }, 'signature.algorithms is "sha256"; it must be a list of'],
    [{ signature: { onFailure: 'ignore' } }, `signature.onFailure is "ignore"; it must be 'reject' or 'acknowledge'.`],
  ])('%o is refused, and the error says what is expected', (config, message) => {
    expect(problem(config)).toContain(`Service "News": `);
    expect(problem(config)).toContain(message);
  });
});

describe('S1 a secret', () => {
  it.each(['x', 's'.repeat(199), 'é'.repeat(99), 'auto', false] as const)('may be %j', (secret) => {
    expect(checkServiceConfig('News', { secret }).secret).toBe(secret);
  });

  it.each([
    ['s'.repeat(200), 'a string of 200 bytes'],
    ['é'.repeat(100), 'a string of 200 bytes'],
    ['', 'a string of 0 bytes'],
    [true, 'a boolean'],
    [12_345_678, 'a number'],
    [['s3cr3t'], 'an array'],
  ])('of another length or type is refused, and the error does not show it: %j', (secret, description) => {
    expect(problem({ secret })).toBe(
      `Service "News": secret is ${description}; it must be a string of 1 to 199 bytes, 'auto' or false.`,
    );
  });
});

describe('a literal callback', () => {
  const callback = 'https://me.example.com/cb?tenant=a';

  it('may have a query and serve one target', () => {
    expect(checkServiceConfig('News', { callback, target: feedUrl }).callback).toBe(callback);
  });

  it('cannot serve two targets', () => {
    expect(problem({ callback, target: feedUrl, targets: [{ hub, topic: feedUrl }] })).toBe(
      'Service "News": callback is used unchanged, so it can serve only one target, not 2. ' +
        'Set appendServicePath, or omit callback.',
    );
  });

  it('cannot be appended to if it has a query', () => {
    expect(problem({ callback, appendServicePath: true })).toContain('callback has a query');
  });

  it('can be appended to for any number of targets', () => {
    const config = {
      callback: 'https://me.example.com/cb',
      appendServicePath: true,
      targets: [feedUrl, `${feedUrl}b`],
    };
    expect(checkServiceConfig('News', config).targets).toHaveLength(2);
  });
});
