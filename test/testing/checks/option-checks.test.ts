import { runInNewContext } from 'node:vm';
import { expect, it, onTestFinished } from 'vitest';
import { ConfigurationError } from '../../../src/index.js';
import { TestHub } from '../../../src/testing/index.js';
import { plainSubscriber, subscribe } from '../../kit/plain-subscriber.js';

type Call = (hub: TestHub) => unknown;

/** Calls a method without type checks, as JavaScript code can. */
const invoke = (object: object, name: string, ...args: readonly unknown[]): unknown => {
  const method: unknown = Reflect.get(object, name);
  if (typeof method !== 'function') throw new TypeError(`${name} is no function`);
  return Reflect.apply(method, object, args);
};

const call =
  (name: string, ...args: readonly unknown[]): Call =>
  (hub) =>
    invoke(hub, name, ...args);

const onTopic =
  (name: string, ...args: readonly unknown[]): Call =>
  (hub) =>
    invoke(hub.topic('/feed'), name, ...args);

const startHub = async (options: object = {}): Promise<TestHub> => {
  const hub = await invoke(TestHub, 'start', options);
  if (!(hub instanceof TestHub)) throw new TypeError('this is no hub');
  onTestFinished(() => hub.close());
  return hub;
};

const errorMessageOf = async (act: () => unknown): Promise<string> => {
  try {
    await act();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return error instanceof Error ? error.message : '';
  }
  return 'no error';
};

it.each<[string, Call, string]>([
  [
    'TestHub.start()',
    () => startHub({ verfy: 'sync' }),
    'verfy is not a known option (did you mean verify? known options: ',
  ],
  [
    'hub.topic()',
    call('topic', '/feed', { discover: 'html' }),
    'discover is not a known option (did you mean discovery?',
  ],
  [
    'hub.configure()',
    call('configure', { leaseSecs: 5 }),
    'leaseSecs is not a known option (did you mean leaseSeconds?',
  ],
  ['topic.configure()', onTopic('configure', { bdy: '' }), 'bdy is not a known option (did you mean body?'],
  [
    'topic.publish()',
    onTopic('publish', '', { contenttyp: '' }),
    'contenttyp is not a known option (did you mean contentType?',
  ],
  [
    'hub.distribute()',
    call('distribute', 'x', '', { type: '' }),
    'type is not a known option (known options: contentType, headers)',
  ],
  [
    'hub.deny()',
    call('deny', 'no', { kep: true }),
    'kep is not a known option (did you mean keep? known options: keep)',
  ],
  ['hub.deny()', call('deny', 'no', { topic: 'a', callback: 'b' }, { kep: true }), 'kep is not a known option'],
  ['topic.deny()', onTopic('deny', 'no', { kep: true }), 'kep is not a known option'],
  [
    'hub.fail()',
    call('fail', 503, { retryafter: 1, time: 2 }),
    'retryafter is not a known option (did you mean retryAfter?',
  ],
  ['topic.fail()', onTopic('fail', 503, { time: 2 }), 'time is not a known option (did you mean times?'],
  ['hub.redirect()', call('redirect', 307, '/', { onli: 'new' }), 'onli is not a known option (did you mean only?'],
  ['topic.redirect()', onTopic('redirect', 307, '/', { onli: 'new' }), 'onli is not a known option'],
  ['hub.verify()', call('verify', { topic: 'a', callback: 'b' }, { lease: 1 }), 'lease is not a known option'],
  ['hub.until()', call('until', () => true, { timeout: 1 }), 'timeout is not a known option (did you mean timeoutMs?'],
  ['hub.verified()', call('verified', undefined, { timeout: 1 }), 'timeout is not a known option'],
  ['hub.unsubscribed()', call('unsubscribed', undefined, { timeout: 1 }), 'timeout is not a known option'],
])('%s rejects an unknown option and suggests known options (%#)', async (name, act, expected) => {
  const hub = await startHub();
  const errorMessage = await errorMessageOf(() => act(hub));
  expect(errorMessage.slice(0, name.length + 2 + expected.length)).toBe(`${name}: ${expected}`);
});

it.each<[object, string]>([
  [{ verify: { subscription: 'sync' } }, 'verify.subscription is not a known option (did you mean subscriptions?'],
  [{ accept: { stat: 200 } }, 'accept.stat is not a known option'],
  [{ rateLimit: { request: 1, perSeconds: 1 } }, 'rateLimit.request is not a known option (did you mean requests?'],
  [{ rateLimit: { requests: 1 } }, 'rateLimit.perSeconds is missing'],
  [{ deny: { reson: '' } }, 'deny.reson is not a known option (did you mean reason?'],
  [{ fail: { status: 503, code: 1 } }, 'fail.code is not a known option'],
  [{ fail: {} }, 'fail.status is missing'],
  [{ redirect: { status: 307, target: '/' } }, 'redirect.target is not a known option'],
  [{ redirect: { status: 307 } }, 'redirect.to is missing'],
  [{ delayMs: { answers: 1 } }, 'delayMs.answers is not a known option (did you mean answer?'],
])('a fault rejects an unknown or missing nested option: %j', async (faults, expected) => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  expect(await errorMessageOf(() => invoke(hub, 'configure', faults))).toContain(`hub.configure(): ${expected}`);
  expect(await errorMessageOf(() => invoke(topic, 'configure', faults))).toContain(`topic.configure(): ${expected}`);
  expect(await errorMessageOf(() => startHub(faults))).toContain(`TestHub.start(): ${expected}`);
});

it.each<[object, string]>([
  [{ verify: 'asynch' }, `verify is "asynch"; it must be 'async' or 'sync' or`],
  [{ verify: { subscriptions: 'asynch' } }, 'verify.subscriptions is "asynch"'],
  [{ discovery: 'link' }, `discovery is "link"; it must be 'link-header' or 'html' or`],
  [{ signature: 'bad' }, 'signature is "bad"'],
  [{ algorithm: 'md5' }, 'algorithm is "md5"'],
  [{ secretFrom: 'now' }, 'secretFrom is "now"'],
  [{ leaseSeconds: 'forever' }, `leaseSeconds is "forever"; it must be a number of seconds, or 'perpetual'`],
  [{ fail: 503 }, 'fail is 503; it must be an object, or false'],
  [{ fail: { status: '503' } }, 'fail.status is "503"; it must be a status from 200 to 999, or \'reset\''],
  [{ fail: { status: 503, only: 'renewal' } }, 'fail.only is "renewal"'],
  [{ redirect: { status: 300, to: '/' } }, 'redirect.status is 300; it must be 301, 302, 303, 307 or 308'],
  [{ silent: 'yes' }, 'silent is "yes"; it must be true or false'],
  [{ delayMs: '10' }, 'delayMs is "10"'],
  [{ moved: { to: '/', status: 200 } }, 'moved.status is 200'],
  [{ hubs: [5] }, 'hubs[0] is 5; it must be a URL or a TestHub'],
])('a topic rejects an invalid value: %j', async (options, expected) => {
  const hub = await startHub();
  expect(await errorMessageOf(() => invoke(hub, 'topic', '/feed', options))).toContain(`hub.topic(): ${expected}`);
});

it.each<[string, Call, string]>([
  ['protocol', () => startHub({ protocol: 'pubsub' }), `TestHub.start(): protocol is "pubsub"; it must be 'websub' or`],
  ['port', () => startHub({ port: 70_000 }), 'TestHub.start(): port is 70000; it must be a port from 0 to 65535'],
  ['tls', () => startHub({ tls: { key: 'k' } }), 'TestHub.start(): tls.cert is missing'],
  ['argument', call('holdBack', 'answers'), `hub.holdBack(): the argument is "answers"; it must be 'answer' or`],
  ['mode', call('verify', { topic: 'a', callback: 'b' }, { mode: 'sub' }), 'hub.verify(): mode is "sub"'],
  ['status', call('fail', 42), 'hub.fail(): status is 42'],
  ['status', call('fail'), 'hub.fail(): status is missing'],
  ['to', call('redirect', 307), 'hub.redirect(): to is missing'],
  ['options', call('topic', '/feed', 'text'), 'hub.topic(): the options object is a string; it must be an object.'],
])('the hub rejects an invalid or missing %s (%#)', async (_name, act, expected) => {
  const hub = await startHub();
  expect(await errorMessageOf(() => act(hub))).toContain(expected);
});

it('bytes of another realm count as bytes, as in a test runner with separate realms', async () => {
  const hub = await startHub();
  const body: unknown = runInNewContext('new Uint8Array([110, 101, 119, 115])');
  expect(body).not.toBeInstanceOf(Uint8Array);
  invoke(hub, 'topic', '/feed', { body, contentType: 'text/plain' });
  expect(await (await fetch(new URL('/feed', hub.url))).text()).toBe('news');
});

it('a call with a rejected option applies no other option, and adds no topic', async () => {
  const hub = await startHub({ verify: 'sync' });
  expect(await errorMessageOf(() => invoke(hub, 'configure', { deny: 'no', verfy: 'sync' }))).toContain('verfy');
  expect(await errorMessageOf(() => invoke(hub, 'topic', '/feed', { selff: '' }))).toContain('selff');
  // The path is still free, because no topic was added.
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  expect(hub.subscriptions).toMatchObject([{ topic: topic.self, state: 'active' }]);
});
