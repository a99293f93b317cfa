import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  SubscriptionDeletedError,
  SubscriptionVerificationError,
  UnsubscriptionVerificationError,
  WebSubError,
  type HookPayload,
  type InternalHubError,
  type SubscriberHandlers,
  type SubscriberRuntime,
  type SubscriberServiceConfig,
  type SubscriptionDeniedError,
  type SubscriptionVerification,
} from 'websub-subscriber';
import { TestHub } from 'websub-subscriber/testing';
import { deferred } from '../../kit/deferred.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { startHub } from '../../kit/start-hub.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const FORM = 'application/x-www-form-urlencoded';
/** Parsers that throw when a handler calls them. */
interface Parsers {
  readonly json: () => unknown;
  readonly content: () => unknown;
}

const noop = (): void => {};

/** A hub with one topic, and a service that subscribes to it. */
async function setUp(handlers: Partial<SubscriberHandlers>, config: SubscriberServiceConfig = {}) {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const world = new FakeWorld();
  const store = new Keyv();
  const service = defineSubscriber(
    { target: topic.url, secret: 'a shared one', unsubscribeOnShutdown: false, ...config },
    { onEventNotification: noop, ...handlers },
  );
  const run = async (port: number): Promise<SubscriberRuntime> => {
    const started = await world.start(service, { store, port });
    onTestFinished(() => started.stopNow());
    return started;
  };
  const runtime = await run(0);
  // Callbacks keep their port.
  const startAgain = (): Promise<SubscriberRuntime> => run(runtime.port ?? 0);
  return { hub, topic, world, store, runtime, startAgain };
}

async function subscribed(handlers: Partial<SubscriberHandlers>, config: SubscriberServiceConfig = {}) {
  const set = await setUp(handlers, config);
  await set.runtime.ready({ timeoutMs: 5_000 });
  await set.hub.verified(set.topic);
  await set.hub.settled();
  return set;
}

const publish = async ({ topic }: Pick<Awaited<ReturnType<typeof setUp>>, 'topic'>) => {
  const [delivery] = await topic.publish('news');
  if (delivery === undefined) throw new Error('nobody is subscribed');
  return delivery;
};

const requestsTo = (hub: TestHub, mode: string) => hub.requests.filter(({ form }) => form.get('hub.mode') === mode);

const eventsIn = (store: Keyv): readonly string[] =>
  [...Object(store.store).keys()].filter((key: unknown) => String(key).includes(':event:'));

describe('onEventNotification', () => {
  test.each([
    ['returns', noop],
    ['returns a promise', async () => {}],
  ])('C7 %s: 202 without a body', async (_title, onEventNotification) => {
    const set = await subscribed({ onEventNotification });
    const { status, body, headers } = await publish(set);
    expect({ status, body }).toEqual({ status: 202, body: '' });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(eventsIn(set.store)).toEqual([]);
    expect(set.hub.violations).toEqual([]);
  });

  const acknowledgement = {
    headers: { 'X-Seen-By': 'news', 'x-many': ['one', 'two'] },
    body: { note: 'thanks & é', again: '' },
  };
  test.each([
    ['returns', () => acknowledgement],
    ['promises', async () => acknowledgement],
  ])(
    'C7 %s an Acknowledgement: 202 with its headers and its body, form-encoded',
    async (_title, onEventNotification) => {
      const { status, body, headers } = await publish(await subscribed({ onEventNotification }));
      expect(status).toBe(202);
      expect(headers.get('x-seen-by')).toBe('news');
      expect(headers.get('x-many')).toBe('one, two');
      expect(headers.get('content-type')).toBe(FORM);
      expect(body).toBe('note=thanks+%26+%C3%A9&again=');
    },
  );

  test('C7 an Acknowledgement of headers alone has no body', async () => {
    const { status, body, headers } = await publish(
      await subscribed({ onEventNotification: () => ({ headers: { 'x-a': 'b' } }) }),
    );
    expect([status, body, headers.get('x-a'), headers.get('content-type')]).toEqual([202, '', 'b', null]);
  });

  test.each([
    ['a number', 7],
    ['null', null],
    ['an array', ['a', 'b']],
    ['a body that is no record of strings', { body: ['a'] }],
    ['a body of something else', { body: { a: { b: 1 } } }],
    ['no headers', { headers: null }],
    ['headers of something else', { headers: { 'x-a': 5 } }],
  ])('C7 returns %s: 202 anyway', async (_title, result: unknown) => {
    // A JavaScript handler that returns a value by accident.
    const handlers: Partial<SubscriberHandlers> = Object.assign({}, { onEventNotification: () => Object(result) });
    const set = await subscribed(handlers);
    const { status, body } = await publish(set);
    expect({ status, body }).toEqual({ status: 202, body: '' });
    expect(eventsIn(set.store)).toEqual([]);
  });

  test.each([
    ['throws', () => throws(new Error('out of paper')), 'out of paper'],
    ['rejects', () => Promise.reject(new Error('out of ink')), 'out of ink'],
    ['throws text', () => throws('no error at all'), 'no error at all'],
    ['rejects with nothing', () => Promise.reject(undefined), 'undefined'],
    ['throws a value that cannot become a string', () => throws(Object.create(null)), 'something that is no error'],
    [
      'rejects with a value that cannot become a string',
      () => Promise.reject(Object.create(null)),
      'something that is no error',
    ],
    [
      'throws an error of another callback',
      () => throws(new SubscriptionVerificationError('not here', { headers: { 'x-no': '1' }, body: { no: '1' } })),
      'not here',
    ],
  ])(
    'C7 %s: 202 without any detail, and the event is stored for a retry',
    async (_title, onEventNotification, message) => {
      const set = await subscribed({ onEventNotification });
      const errors: HookPayload[] = [];
      set.runtime.hooks.on('handler-error', (payload) => errors.push(payload));
      const { status, body, headers } = await publish(set);
      expect({ status, body }).toEqual({ status: 202, body: '' });
      expect(headers.get('x-no')).toBeNull();
      expect(eventsIn(set.store)).toHaveLength(1);
      expect(errors.map(({ error }) => [error instanceof Error, error?.message])).toEqual([[true, message]]);
      expect(errors[0]?.event?.text()).toBe('news');
      expect(set.world.logged('a handler failed')).toHaveLength(1);
      expect((await onlySubscription(set.runtime)).state).toBe('active');
    },
  );

  test.each([
    ['JSON', 'application/json', '{"a":', ({ json }: Parsers) => json()],
    ['content', 'application/feed+json', 'no JSON', ({ content }: Parsers) => content()],
  ])(
    'C4 a body that does not parse as %s is a handler failure: 202, and stored for a retry',
    async (_title, contentType, body, parse) => {
      const set = await subscribed({
        onEventNotification: (event) => void parse({ json: () => event.json(), content: () => event.content }),
      });
      const [delivery] = await set.topic.publish(body, { contentType });
      expect([delivery?.status, delivery?.body]).toEqual([202, '']);
      expect(eventsIn(set.store)).toHaveLength(1);
      expect(set.world.logged('a handler failed').map(({ fields }) => fields['err'])).toEqual([
        expect.any(SyntaxError),
      ]);
    },
  );

  class OutOfPaper extends SubscriptionDeletedError {}
  const gone = new SubscriptionDeletedError('no more, thanks & bye é', {
    headers: { 'x-why': 'tired' },
    body: { until: 'spring & summer', code: '7' },
  });
  const goneBody = 'reason=no+more%2C+thanks+%26+bye+%C3%A9&until=spring+%26+summer&code=7';
  test.each([
    ['throws SubscriptionDeletedError', () => throws(gone), goneBody, 'tired'],
    ['rejects with SubscriptionDeletedError', () => Promise.reject(gone), goneBody, 'tired'],
    ['throws a subclass of it', () => throws(new OutOfPaper('out of paper')), 'reason=out+of+paper', null],
  ])('C7 %s: 410 with the reason, and unsubscribed at the hub', async (_title, run, expected, header) => {
    let runs = 0;
    const onEventNotification = () => {
      runs += 1;
      return run();
    };
    const set = await subscribed({ onEventNotification });
    const { status, body, headers, callback, sent } = await publish(set);
    expect({ status, body }).toEqual({ status: 410, body: expected });
    expect(headers.get('x-why')).toBe(header);
    expect(headers.get('content-type')).toBe(FORM);
    await set.hub.unsubscribed(set.topic);
    await expect.poll(async () => (await onlySubscription(set.runtime)).state, { timeout: 5_000 }).toBe('unsubscribed');
    expect(requestsTo(set.hub, 'unsubscribe').map(({ form }) => form.get('hub.callback'))).toEqual([callback]);
    expect(eventsIn(set.store)).toEqual([]);
    expect(set.hub.violations).toEqual([]);

    const { method, url, body: content } = sent;
    const secondAnswer = await fetch(url, { method, headers: sent.headers, body: new Uint8Array(content ?? []) });
    expect([secondAnswer.status, runs]).toEqual([410, 1]);
    expect(set.world.logged('the service ended the subscription')).toHaveLength(1);
  });

  test('C7 throws SubscriptionDeletedError: 410 before the hub has verified the unsubscription, without another handler run', async () => {
    let runs = 0;
    const set = await subscribed({
      onEventNotification: () => {
        runs += 1;
        throw gone;
      },
    });
    set.hub.configure({ verify: 'never' });
    const { status, sent } = await publish(set);
    await set.hub.until(() => requestsTo(set.hub, 'unsubscribe').length === 1);
    const { method, url, headers, body } = sent;
    const secondAnswer = await fetch(url, { method, headers, body: new Uint8Array(body ?? []) });
    expect([status, secondAnswer.status, runs]).toEqual([410, 410, 1]);
  });

  test('C7 a subscription that SubscriptionDeletedError ended is not subscribed again at the next start, only by retry(id)', async () => {
    const set = await subscribed({ onEventNotification: () => throws(gone) });
    await publish(set);
    await set.hub.unsubscribed(set.topic);
    await set.hub.settled();
    await set.runtime.stop();
    const next = await set.startAgain();
    expect((await onlySubscription(next)).state).toBe('unsubscribed');
    expect(requestsTo(set.hub, 'subscribe')).toHaveLength(1);
    await next.retry((await onlySubscription(next)).id);
    await set.hub.verified(set.topic);
    expect(requestsTo(set.hub, 'subscribe')).toHaveLength(2);
  });

  test('C9 throws SubscriptionDeletedError after the 202: unsubscribed at the hub, and the event is done', async () => {
    const { promise, reject } = deferred();
    const set = await subscribed({ onEventNotification: () => promise }, { delivery: { ackAfterMs: 1 } });
    const { status } = await publish(set);
    expect(status).toBe(202);
    expect(eventsIn(set.store)).toHaveLength(1);
    reject(gone);
    await set.hub.unsubscribed(set.topic);
    await set.hub.until(() => eventsIn(set.store).length === 0);
    expect(requestsTo(set.hub, 'unsubscribe')).toHaveLength(1);
  });

  test('C7 throws SubscriptionDeletedError at a retry: unsubscribed at the hub, and the event is done', async () => {
    const set = await subscribed({
      onEventNotification: ({ attempt }) => throws(attempt === 1 ? new Error('not now') : gone),
    });
    expect((await publish(set)).status).toBe(202);
    set.world.advance(60_000);
    await set.hub.unsubscribed(set.topic);
    await set.hub.until(() => eventsIn(set.store).length === 0);
  });
});

describe('onSubscriptionVerification', () => {
  const verifications = (hub: TestHub) => hub.deliveries.filter(({ kind }) => kind === 'verification');

  test.each([
    ['returns', noop],
    ['returns a promise', async () => {}],
  ])('V1 %s: 200 with the challenge', async (_title, onSubscriptionVerification) => {
    const { hub } = await subscribed({ onSubscriptionVerification });
    const [verification] = verifications(hub);
    const challenge = new URL(verification?.sent.url ?? '').searchParams.get('hub.challenge');
    expect(verification).toMatchObject({ status: 200, body: challenge });
    expect(verification?.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  test('V7 gets the parameters of the verification, with subscription and grant', async () => {
    const received: SubscriptionVerification[] = [];
    const { topic, hub } = await subscribed(
      { onSubscriptionVerification: (verification) => void received.push(verification) },
      { leaseSeconds: 3_600 },
    );
    expect(received).toEqual([
      expect.objectContaining({
        mode: 'subscribe',
        topic: topic.self,
        leaseSeconds: 3_600,
        challenge: expect.any(String),
      }),
    ]);
    expect(received[0]?.subscription).toMatchObject({ state: 'verifying', target: topic.url });
    expect(received[0]?.grant).toMatchObject({ hub: hub.url, topic: topic.self });
  });

  test('V1 the headers of a Success are added, and the body stays the challenge', async () => {
    const { hub } = await subscribed({
      onSubscriptionVerification: () => ({ headers: { 'x-welcome': 'yes', 'content-type': 'text/html' } }),
    });
    const [verification] = verifications(hub);
    const challenge = new URL(verification?.sent.url ?? '').searchParams.get('hub.challenge');
    expect(verification).toMatchObject({ status: 200, body: challenge });
    expect(verification?.headers.get('x-welcome')).toBe('yes');
    expect(verification?.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  class TooLate extends SubscriptionVerificationError {}
  const refused = new TooLate('too late & é', { headers: { 'x-no': 'no' }, body: { code: '1 2' } });
  test.each([
    ['throws', () => throws(refused), 'reason=too+late+%26+%C3%A9&code=1+2', 'no'],
    ['rejects', () => Promise.reject(refused), 'reason=too+late+%26+%C3%A9&code=1+2', 'no'],
    ['throws any other error', () => throws(new TypeError('a bug')), 'reason=a+bug', null],
    ['throws text', () => throws('no'), 'reason=no', null],
    ['throws nothing', () => Promise.reject(undefined), 'reason=undefined', null],
  ])('V7 %s: 404 with the reason, not subscribed', async (_title, onSubscriptionVerification, expected, header) => {
    const { hub, runtime } = await setUp({ onSubscriptionVerification });
    await hub.until(() => verifications(hub).length === 1);
    const [verification] = verifications(hub);
    expect(verification).toMatchObject({ status: 404, body: expected });
    expect(verification?.headers.get('x-no') ?? null).toBe(header);
    expect(verification?.headers.get('content-type')).toBe(FORM);
    const { state, gaveUp, lastError } = await onlySubscription(runtime);
    expect({ state, gaveUp }).toEqual({ state: 'failed', gaveUp: true });
    expect(lastError?.cause).toBe('handler-refused');
    await expect(runtime.ready({ timeoutMs: 5_000 })).rejects.toThrow(WebSubError);
    expect(hub.subscriptions.map(({ state: atHub }) => atHub)).toEqual(['refused']);
  });

  test('V7 a refused subscription is not requested again before retry(id), not even after a restart', async () => {
    let isWelcome = false;
    const set = await setUp({
      onSubscriptionVerification: () => {
        if (!isWelcome) throw refused;
      },
    });
    await set.hub.until(() => verifications(set.hub).length === 1);
    await set.hub.settled();
    set.world.advance(2 * 86_400_000);
    await set.runtime.stop();
    const next = await set.startAgain();
    set.world.advance(2 * 86_400_000);
    await set.hub.settled();
    expect(requestsTo(set.hub, 'subscribe')).toHaveLength(1);
    isWelcome = true;
    const { id, callback = '', topic = '' } = await onlySubscription(next);
    expect(await set.hub.verify({ callback, topic })).toMatchObject({ status: 404 });
    await next.retry(id);
    await set.hub.verified(set.topic);
    expect(requestsTo(set.hub, 'subscribe')).toHaveLength(2);
  });
});

describe('onUnsubscriptionVerification', () => {
  const unsubscriptions = (hub: TestHub) =>
    hub.deliveries.filter(({ sent }) => new URL(sent.url).searchParams.get('hub.mode') === 'unsubscribe');

  test('V3 returns a Success: 200 with the challenge and its headers', async () => {
    const { hub, runtime, topic } = await subscribed({
      onUnsubscriptionVerification: ({ mode }) => ({ headers: { 'x-mode': mode } }),
    });
    await runtime.unsubscribe((await onlySubscription(runtime)).id);
    await hub.unsubscribed(topic);
    const [verification] = unsubscriptions(hub);
    const challenge = new URL(verification?.sent.url ?? '').searchParams.get('hub.challenge');
    expect(verification).toMatchObject({ status: 200, body: challenge });
    expect(verification?.headers.get('x-mode')).toBe('unsubscribe');
  });

  const refused = new UnsubscriptionVerificationError('stay & é', { headers: { 'x-no': 'no' }, body: { code: '1' } });
  test.each([
    ['throws', () => throws(refused), 'reason=stay+%26+%C3%A9&code=1', 'no'],
    ['rejects', () => Promise.reject(refused), 'reason=stay+%26+%C3%A9&code=1', 'no'],
    ['throws any other error', () => throws(new TypeError('a bug')), 'reason=a+bug', null],
    ['throws text', () => throws('no'), 'reason=no', null],
  ])('V3 %s: 404 with the reason, still subscribed', async (_title, onUnsubscriptionVerification, expected, header) => {
    const set = await subscribed({ onUnsubscriptionVerification });
    await set.runtime.unsubscribe((await onlySubscription(set.runtime)).id);
    await set.hub.until(() => unsubscriptions(set.hub).length === 1);
    const [verification] = unsubscriptions(set.hub);
    expect(verification).toMatchObject({ status: 404, body: expected });
    expect(verification?.headers.get('x-no') ?? null).toBe(header);
    expect(await onlySubscription(set.runtime)).toMatchObject({ state: 'active', desired: 'subscribed' });
    expect((await publish(set)).status).toBe(202);
  });
});

const acknowledgementOfAny = { headers: { 'x-noted': 'yes' }, body: { noted: 'a & b' } };
const anyResult: readonly (readonly [
  string,
  () => typeof acknowledgementOfAny | void | Promise<typeof acknowledgementOfAny | void>,
  string,
  string | null,
])[] = [
  ['returns', noop, '', null],
  ['returns an Acknowledgement', () => acknowledgementOfAny, 'noted=a+%26+b', 'yes'],
  ['promises an Acknowledgement', async () => acknowledgementOfAny, 'noted=a+%26+b', 'yes'],
  ['throws', () => throws(new Error('a bug')), '', null],
  ['throws SubscriptionDeletedError', () => throws(new SubscriptionDeletedError('gone')), '', null],
  ['rejects', () => Promise.reject(new Error('a bug')), '', null],
  ['throws nothing', () => throws(undefined), '', null],
];

describe('onSubscriptionValidationDenied', () => {
  test.each(anyResult)('N1 %s: 200 anyway, and the subscription is denied', async (_title, run, expected, header) => {
    const received: SubscriptionDeniedError[] = [];
    const set = await subscribed({
      onSubscriptionValidationDenied: (denial) => {
        received.push(denial);
        return run();
      },
    });
    const [denial] = await set.topic.deny('not for you & é');
    expect(denial).toMatchObject({ status: 200, body: expected });
    expect(denial?.headers.get('x-noted') ?? null).toBe(header);
    expect(received.map(({ message, code, topic }) => ({ message, code, topic }))).toEqual([
      { message: 'not for you & é', code: 'ERR_WEBSUB_DENIED', topic: set.topic.self },
    ]);
    expect(received[0]?.grant?.state).toBe('denied');
    expect((await onlySubscription(set.runtime)).state).toBe('denied');
    expect(requestsTo(set.hub, 'unsubscribe')).toEqual([]);
  });
});

describe('onHubError', () => {
  test.each(anyResult)(
    'N3 %s: 200 anyway, and the subscription stays active',
    async (_title, run, expected, header) => {
      const received: InternalHubError[] = [];
      const set = await subscribed({
        onHubError: (error) => {
          received.push(error);
          return run();
        },
      });
      const [report] = await set.topic.error('out of order');
      expect(report).toMatchObject({ status: 200, body: expected });
      expect(report?.headers.get('x-noted') ?? null).toBe(header);
      expect(received.map(({ message, code }) => ({ message, code }))).toEqual([
        { message: 'out of order', code: 'ERR_WEBSUB_HUB_ERROR' },
      ]);
      expect(received[0]?.subscription?.state).toBe('active');
      expect((await publish(set)).status).toBe(202);
      expect(requestsTo(set.hub, 'unsubscribe')).toEqual([]);
    },
  );
});

describe('onStart and onShutdown', () => {
  test.each([
    ['throws', () => throws(new Error('not today'))],
    ['rejects', () => Promise.reject(new Error('not today'))],
  ])('onStart %s: startService rejects with that error, and no request is sent', async (_title, onStart) => {
    await using hub = await TestHub.start();
    const service = defineSubscriber({ target: hub.topic('/feed').url }, { onEventNotification: noop, onStart });
    await expect(new FakeWorld().start(service)).rejects.toThrow('not today');
    expect(hub.requests).toEqual([]);
  });

  test.each([
    ['throws', () => throws(new Error('stuck'))],
    ['rejects', () => Promise.reject(new Error('stuck'))],
  ])('onShutdown %s: it is logged, and the shutdown continues', async (_title, onShutdown) => {
    const set = await subscribed({ onShutdown }, { unsubscribeOnShutdown: true });
    let wasCalled = false;
    set.runtime.onShutdown(() => {
      wasCalled = true;
    });
    await set.runtime.stop();
    await set.hub.settled();
    expect(wasCalled).toBe(true);
    expect(set.world.logged('shutdown').map(({ level }) => level)).toEqual(['error']);
    expect(set.hub.subscriptions.map(({ state }) => state)).toEqual(['unsubscribed']);
  });
});

function throws(value: unknown): never {
  throw value;
}
