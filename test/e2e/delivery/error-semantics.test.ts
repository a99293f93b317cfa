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

/** Parsers of an event, which throw if the body does not parse. */
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
  const subscriber = await setUp(handlers, config);
  await subscriber.runtime.ready({ timeoutMs: 5_000 });
  await subscriber.hub.verified(subscriber.topic);
  await subscriber.hub.settled();
  return subscriber;
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
  ])('C7 %s, and the hub gets 202 without a body', async (_title, onEventNotification) => {
    const subscriber = await subscribed({ onEventNotification });
    const { status, body, headers } = await publish(subscriber);
    expect({ status, body }).toEqual({ status: 202, body: '' });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(eventsIn(subscriber.store)).toEqual([]);
    expect(subscriber.hub.violations).toEqual([]);
  });

  const acknowledgement = {
    headers: { 'X-Seen-By': 'news', 'x-many': ['one', 'two'] },
    body: { note: 'thanks & é', again: '' },
  };
  test.each([
    ['returns', () => acknowledgement],
    ['returns a promise of', async () => acknowledgement],
  ])(
    'C7 %s an Acknowledgement, and the hub gets 202 with its headers and its form-encoded body',
    async (_title, onEventNotification) => {
      const { status, body, headers } = await publish(await subscribed({ onEventNotification }));
      expect(status).toBe(202);
      expect(headers.get('x-seen-by')).toBe('news');
      expect(headers.get('x-many')).toBe('one, two');
      expect(headers.get('content-type')).toBe(FORM);
      expect(body).toBe('note=thanks+%26+%C3%A9&again=');
    },
  );

  test('C7 returns an Acknowledgement with headers only, and the hub gets 202 without a body', async () => {
    const { status, body, headers } = await publish(
      await subscribed({ onEventNotification: () => ({ headers: { 'x-a': 'b' } }) }),
    );
    expect([status, body, headers.get('x-a'), headers.get('content-type')]).toEqual([202, '', 'b', null]);
  });

  test.each([
    ['a number', 7],
    ['null', null],
    ['an empty object', {}],
    ['an array', ['a', 'b']],
    ['a body that is an array', { body: ['a'] }],
    ['a body with a value that is an object', { body: { a: { b: 1 } } }],
    ['headers that are null', { headers: null }],
    ['a header that is a number', { headers: { 'x-a': 5 } }],
  ])('C7 returns %s, and the hub gets 202 without a body', async (_title, result: unknown) => {
    // A JavaScript handler that returns a value by accident.
    const handlers: Partial<SubscriberHandlers> = {};
    Object.assign(handlers, { onEventNotification: () => result });
    const subscriber = await subscribed(handlers);
    const { status, body } = await publish(subscriber);
    expect({ status, body }).toEqual({ status: 202, body: '' });
    expect(eventsIn(subscriber.store)).toEqual([]);
  });

  test.each([
    ['throws', () => throws(new Error('out of paper')), 'out of paper'],
    ['rejects', () => Promise.reject(new Error('out of ink')), 'out of ink'],
    ['throws a string', () => throws('no error at all'), 'no error at all'],
    ['rejects with undefined', () => Promise.reject(undefined), 'undefined'],
    [
      'throws a value that cannot become a string',
      () => throws(Object.create(null)),
      'the thrown value cannot be converted to text',
    ],
    [
      'rejects with a value that cannot become a string',
      () => Promise.reject(Object.create(null)),
      'the thrown value cannot be converted to text',
    ],
    [
      'throws the error of another handler',
      () => throws(new SubscriptionVerificationError('not here', { headers: { 'x-no': '1' }, body: { no: '1' } })),
      'not here',
    ],
  ])(
    'C7 %s, so the hub gets 202 without details and the event is stored for a retry',
    async (_title, onEventNotification, message) => {
      const subscriber = await subscribed({ onEventNotification });
      const errors: HookPayload[] = [];
      subscriber.runtime.hooks.on('handler-error', (payload) => errors.push(payload));
      const { status, body, headers } = await publish(subscriber);
      expect({ status, body }).toEqual({ status: 202, body: '' });
      expect(headers.get('x-no')).toBeNull();
      expect(eventsIn(subscriber.store)).toHaveLength(1);
      expect(errors.map(({ error }) => [error instanceof Error, error?.message])).toEqual([[true, message]]);
      expect(errors[0]?.event?.text()).toBe('news');
      expect(subscriber.world.logged('handler.failed')).toHaveLength(1);
      expect((await onlySubscription(subscriber.runtime)).state).toBe('active');
    },
  );

  test.each([
    ['event.json()', 'application/json', '{"a":', ({ json }: Parsers) => json()],
    ['event.content', 'application/feed+json', 'no JSON', ({ content }: Parsers) => content()],
  ])(
    'C4 reads %s of a body that does not parse, so the hub gets 202 and the event is stored for a retry',
    async (_title, contentType, body, parse) => {
      const subscriber = await subscribed({
        onEventNotification: (event) => void parse({ json: () => event.json(), content: () => event.content }),
      });
      const [delivery] = await subscriber.topic.publish(body, { contentType });
      expect([delivery?.status, delivery?.body]).toEqual([202, '']);
      expect(eventsIn(subscriber.store)).toHaveLength(1);
      expect(subscriber.world.logged('handler.failed').map(({ fields }) => fields['err'])).toEqual([
        expect.any(SyntaxError),
      ]);
    },
  );

  class OutOfPaper extends SubscriptionDeletedError {}
  const deletedError = new SubscriptionDeletedError('no more, thanks & bye é', {
    headers: { 'x-why': 'tired' },
    body: { until: 'spring & summer', code: '7' },
  });
  const deletedBody = 'reason=no+more%2C+thanks+%26+bye+%C3%A9&until=spring+%26+summer&code=7';
  test.each([
    ['throws SubscriptionDeletedError', () => throws(deletedError), deletedBody, 'tired'],
    ['rejects with SubscriptionDeletedError', () => Promise.reject(deletedError), deletedBody, 'tired'],
    [
      'throws a subclass of SubscriptionDeletedError',
      () => throws(new OutOfPaper('out of paper')),
      'reason=out+of+paper',
      null,
    ],
  ])(
    'C7 %s, so the hub gets 410 with the reason and an unsubscribe request',
    async (_title, run, expectedBody, expectedHeader) => {
      let runs = 0;
      const onEventNotification = () => {
        runs += 1;
        return run();
      };
      const subscriber = await subscribed({ onEventNotification });
      const { status, body, headers, callback, sent } = await publish(subscriber);
      expect({ status, body }).toEqual({ status: 410, body: expectedBody });
      expect(headers.get('x-why')).toBe(expectedHeader);
      expect(headers.get('content-type')).toBe(FORM);
      await subscriber.hub.unsubscribed(subscriber.topic);
      await expect
        .poll(async () => (await onlySubscription(subscriber.runtime)).state, { timeout: 5_000 })
        .toBe('unsubscribed');
      expect(requestsTo(subscriber.hub, 'unsubscribe').map(({ form }) => form.get('hub.callback'))).toEqual([callback]);
      expect(eventsIn(subscriber.store)).toEqual([]);
      expect(subscriber.hub.violations).toEqual([]);

      const { method, url, body: content } = sent;
      const secondAnswer = await fetch(url, { method, headers: sent.headers, body: new Uint8Array(content ?? []) });
      expect([secondAnswer.status, runs]).toEqual([410, 1]);
      expect(subscriber.world.logged('subscription.ended-by-handler')).toHaveLength(1);
    },
  );

  test('C7 throws SubscriptionDeletedError, so deliveries get 410 before the unsubscription is verified', async () => {
    let runs = 0;
    const subscriber = await subscribed({
      onEventNotification: () => {
        runs += 1;
        throw deletedError;
      },
    });
    subscriber.hub.configure({ verify: 'never' });
    const { status, sent } = await publish(subscriber);
    await subscriber.hub.until(() => requestsTo(subscriber.hub, 'unsubscribe').length === 1);
    const { method, url, headers, body } = sent;
    const secondAnswer = await fetch(url, { method, headers, body: new Uint8Array(body ?? []) });
    expect([status, secondAnswer.status, runs]).toEqual([410, 410, 1]);
  });

  test('C7 throws SubscriptionDeletedError, so retry(id) subscribes again but the next start does not', async () => {
    const subscriber = await subscribed({ onEventNotification: () => throws(deletedError) });
    await publish(subscriber);
    await subscriber.hub.unsubscribed(subscriber.topic);
    await subscriber.hub.settled();
    await subscriber.runtime.stop();
    const nextRuntime = await subscriber.startAgain();
    expect((await onlySubscription(nextRuntime)).state).toBe('unsubscribed');
    expect(requestsTo(subscriber.hub, 'subscribe')).toHaveLength(1);
    await nextRuntime.retry((await onlySubscription(nextRuntime)).id);
    await subscriber.hub.verified(subscriber.topic);
    expect(requestsTo(subscriber.hub, 'subscribe')).toHaveLength(2);
  });

  test('C9 throws SubscriptionDeletedError after the 202, which unsubscribes and removes the event', async () => {
    const { promise, reject } = deferred();
    const subscriber = await subscribed({ onEventNotification: () => promise }, { delivery: { ackAfterMs: 1 } });
    const { status } = await publish(subscriber);
    expect(status).toBe(202);
    expect(eventsIn(subscriber.store)).toHaveLength(1);
    reject(deletedError);
    await subscriber.hub.unsubscribed(subscriber.topic);
    await subscriber.hub.until(() => eventsIn(subscriber.store).length === 0);
    expect(requestsTo(subscriber.hub, 'unsubscribe')).toHaveLength(1);
  });

  test('C7 throws SubscriptionDeletedError in a retry, which unsubscribes and removes the event', async () => {
    const subscriber = await subscribed({
      onEventNotification: ({ attempt }) => throws(attempt === 1 ? new Error('not now') : deletedError),
    });
    expect((await publish(subscriber)).status).toBe(202);
    subscriber.world.advance(60_000);
    await subscriber.hub.unsubscribed(subscriber.topic);
    await subscriber.hub.until(() => eventsIn(subscriber.store).length === 0);
  });
});

describe('onSubscriptionVerification', () => {
  const verifications = (hub: TestHub) => hub.deliveries.filter(({ kind }) => kind === 'verification');

  test.each([
    ['returns', noop],
    ['returns a promise', async () => {}],
  ])('V1 %s, so the hub gets 200 with the challenge', async (_title, onSubscriptionVerification) => {
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

  test('V1 returns a Success, so the hub gets its headers, and the challenge as plain text', async () => {
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
  const refusal = new TooLate('too late & é', { headers: { 'x-no': 'no' }, body: { code: '1 2' } });
  test.each([
    ['throws', () => throws(refusal), 'reason=too+late+%26+%C3%A9&code=1+2', 'no'],
    ['rejects', () => Promise.reject(refusal), 'reason=too+late+%26+%C3%A9&code=1+2', 'no'],
    ['throws any other error', () => throws(new TypeError('a bug')), 'reason=a+bug', null],
    ['throws a string', () => throws('no'), 'reason=no', null],
    ['rejects with undefined', () => Promise.reject(undefined), 'reason=undefined', null],
  ])(
    'V7 %s, so the hub gets 404 with the reason and the subscription fails',
    async (_title, onSubscriptionVerification, expectedBody, expectedHeader) => {
      const { hub, runtime } = await setUp({ onSubscriptionVerification });
      await hub.until(() => verifications(hub).length === 1);
      const [verification] = verifications(hub);
      expect(verification).toMatchObject({ status: 404, body: expectedBody });
      expect(verification?.headers.get('x-no') ?? null).toBe(expectedHeader);
      expect(verification?.headers.get('content-type')).toBe(FORM);
      const { state, gaveUp, lastError } = await onlySubscription(runtime);
      expect({ state, gaveUp }).toEqual({ state: 'failed', gaveUp: true });
      expect(lastError?.cause).toBe('handler-refused');
      await expect(runtime.ready({ timeoutMs: 5_000 })).rejects.toThrow(WebSubError);
      expect(hub.subscriptions.map(({ state: atHub }) => atHub)).toEqual(['refused']);
    },
  );

  test('V7 throws, so the subscription is not requested again before retry(id), even after a restart', async () => {
    let isWelcome = false;
    const subscriber = await setUp({
      onSubscriptionVerification: () => {
        if (!isWelcome) throw refusal;
      },
    });
    await subscriber.hub.until(() => verifications(subscriber.hub).length === 1);
    await subscriber.hub.settled();
    subscriber.world.advance(2 * 86_400_000);
    await subscriber.runtime.stop();
    const nextRuntime = await subscriber.startAgain();
    subscriber.world.advance(2 * 86_400_000);
    await subscriber.hub.settled();
    expect(requestsTo(subscriber.hub, 'subscribe')).toHaveLength(1);
    isWelcome = true;
    const { id, callback = '', topic = '' } = await onlySubscription(nextRuntime);
    expect(await subscriber.hub.verify({ callback, topic })).toMatchObject({ status: 404 });
    await nextRuntime.retry(id);
    await subscriber.hub.verified(subscriber.topic);
    expect(requestsTo(subscriber.hub, 'subscribe')).toHaveLength(2);
  });
});

describe('onUnsubscriptionVerification', () => {
  const unsubscriptions = (hub: TestHub) =>
    hub.deliveries.filter(({ sent }) => new URL(sent.url).searchParams.get('hub.mode') === 'unsubscribe');

  test('V3 returns a Success, so the hub gets 200 with its headers and the challenge', async () => {
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

  const refusal = new UnsubscriptionVerificationError('stay & é', { headers: { 'x-no': 'no' }, body: { code: '1' } });
  test.each([
    ['throws', () => throws(refusal), 'reason=stay+%26+%C3%A9&code=1', 'no'],
    ['rejects', () => Promise.reject(refusal), 'reason=stay+%26+%C3%A9&code=1', 'no'],
    ['throws any other error', () => throws(new TypeError('a bug')), 'reason=a+bug', null],
    ['throws a string', () => throws('no'), 'reason=no', null],
  ])(
    'V3 %s, so the hub gets 404 with the reason and the subscription stays active',
    async (_title, onUnsubscriptionVerification, expectedBody, expectedHeader) => {
      const subscriber = await subscribed({ onUnsubscriptionVerification });
      await subscriber.runtime.unsubscribe((await onlySubscription(subscriber.runtime)).id);
      await subscriber.hub.until(() => unsubscriptions(subscriber.hub).length === 1);
      const [verification] = unsubscriptions(subscriber.hub);
      expect(verification).toMatchObject({ status: 404, body: expectedBody });
      expect(verification?.headers.get('x-no') ?? null).toBe(expectedHeader);
      expect(await onlySubscription(subscriber.runtime)).toMatchObject({ state: 'active', desired: 'subscribed' });
      expect((await publish(subscriber)).status).toBe(202);
    },
  );
});

const sharedAcknowledgement = { headers: { 'x-noted': 'yes' }, body: { noted: 'a & b' } };
/** Outcomes of a handler that do not change the status of the answer, with the expected body and header. */
const HANDLER_OUTCOMES: readonly (readonly [
  string,
  () => typeof sharedAcknowledgement | void | Promise<typeof sharedAcknowledgement | void>,
  string,
  string | null,
])[] = [
  ['returns', noop, '', null],
  ['returns an Acknowledgement', () => sharedAcknowledgement, 'noted=a+%26+b', 'yes'],
  ['returns a promise of an Acknowledgement', async () => sharedAcknowledgement, 'noted=a+%26+b', 'yes'],
  ['throws', () => throws(new Error('a bug')), '', null],
  ['throws SubscriptionDeletedError', () => throws(new SubscriptionDeletedError('gone')), '', null],
  ['rejects', () => Promise.reject(new Error('a bug')), '', null],
  ['throws undefined', () => throws(undefined), '', null],
];

describe('onSubscriptionValidationDenied', () => {
  test.each(HANDLER_OUTCOMES)(
    'N1 %s, the hub gets 200, and the subscription is denied',
    async (_title, run, expectedBody, expectedHeader) => {
      const received: SubscriptionDeniedError[] = [];
      const subscriber = await subscribed({
        onSubscriptionValidationDenied: (denial) => {
          received.push(denial);
          return run();
        },
      });
      const [denial] = await subscriber.topic.deny('not for you & é');
      expect(denial).toMatchObject({ status: 200, body: expectedBody });
      expect(denial?.headers.get('x-noted') ?? null).toBe(expectedHeader);
      expect(received.map(({ message, code, topic }) => ({ message, code, topic }))).toEqual([
        { message: 'not for you & é', code: 'ERR_WEBSUB_DENIED', topic: subscriber.topic.self },
      ]);
      expect(received[0]?.grant?.state).toBe('denied');
      expect((await onlySubscription(subscriber.runtime)).state).toBe('denied');
      expect(requestsTo(subscriber.hub, 'unsubscribe')).toEqual([]);
    },
  );
});

describe('onHubError', () => {
  test.each(HANDLER_OUTCOMES)(
    'N3 %s, the hub gets 200, and the subscription stays active',
    async (_title, run, expectedBody, expectedHeader) => {
      const received: InternalHubError[] = [];
      const subscriber = await subscribed({
        onHubError: (error) => {
          received.push(error);
          return run();
        },
      });
      const [report] = await subscriber.topic.error('out of order');
      expect(report).toMatchObject({ status: 200, body: expectedBody });
      expect(report?.headers.get('x-noted') ?? null).toBe(expectedHeader);
      expect(received.map(({ message, code }) => ({ message, code }))).toEqual([
        { message: 'out of order', code: 'ERR_WEBSUB_HUB_ERROR' },
      ]);
      expect(received[0]?.subscription?.state).toBe('active');
      expect((await publish(subscriber)).status).toBe(202);
      expect(requestsTo(subscriber.hub, 'unsubscribe')).toEqual([]);
    },
  );
});

describe('a service whose', () => {
  test.each([
    ['throws', () => throws(new Error('not today'))],
    ['rejects', () => Promise.reject(new Error('not today'))],
  ])('onStart %s makes the start reject with that error, and sends no request', async (_title, onStart) => {
    await using hub = await TestHub.start();
    const service = defineSubscriber({ target: hub.topic('/feed').url }, { onEventNotification: noop, onStart });
    await expect(new FakeWorld().start(service)).rejects.toThrow('not today');
    expect(hub.requests).toEqual([]);
  });

  test.each([
    ['throws', () => throws(new Error('stuck'))],
    ['rejects', () => Promise.reject(new Error('stuck'))],
  ])('onShutdown %s logs the error, and continues its shutdown', async (_title, onShutdown) => {
    const subscriber = await subscribed({ onShutdown }, { unsubscribeOnShutdown: true });
    let wasCalled = false;
    subscriber.runtime.onShutdown(() => {
      wasCalled = true;
    });
    await subscriber.runtime.stop();
    await subscriber.hub.settled();
    expect(wasCalled).toBe(true);
    expect(subscriber.world.logged('shutdown.step-failed')).toMatchObject([
      { level: 'error', fields: { step: 'shutdown listener', err: { message: 'stuck' } } },
    ]);
    expect(subscriber.hub.subscriptions.map(({ state }) => state)).toEqual(['unsubscribed']);
  });
});

function throws(value: unknown): never {
  throw value;
}
