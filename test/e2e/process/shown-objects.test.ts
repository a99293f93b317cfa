import { inspect } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  UnrecoverableEventError,
  type ContentDistributionMessage,
  type DeadLetter,
  type HookName,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { HOOK_NAMES } from '../../../src/delivery/hook-payloads.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { untilIdle } from '../../kit/until-idle.js';
import { startHub } from '../../kit/start-hub.js';

const SECRET = 'a secret that nobody may see';

/** The most that `console.log` could show of a value. */
const fullText = (value: unknown): string => inspect(value, { depth: null, showHidden: true, maxStringLength: null });

/** A failing service, and everything that its author may log. */
async function setUp() {
  const world = new FakeWorld();
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const seen: [name: string, value: unknown][] = [];
  let text = '';
  const service = defineSubscriber(
    { name: 'news', target: topic.url, secret: SECRET },
    {
      onEventNotification(event: ContentDistributionMessage) {
        seen.push(['event', event]);
        text = event.text();
        if (text === 'unrecoverable') throw new UnrecoverableEventError('a bad event');
        if (text === 'failing') throw new Error('the database is down');
      },
      onSubscriptionVerification: (verification) => void seen.push(['verification', verification]),
      onUnsubscriptionVerification: (verification) => void seen.push(['unsubscription', verification]),
      onSubscriptionValidationDenied: (denial) => void seen.push(['denial', denial]),
      onHubError: (error) => void seen.push(['error', error]),
    },
  );
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  for (const name of HOOK_NAMES) runtime.hooks.on(name, (payload) => seen.push([`hook ${name}`, payload]));
  await runtime.ready({ timeoutMs: 5_000 });
  await hub.settled();
  const [subscription] = await runtime.subscriptions.find();
  const callback = subscription?.callback ?? '';
  return { world, hub, topic, service, runtime, seen, callback, token: callback.split('/').at(-1) ?? '' };
}

async function deadLettersOf(runtime: SubscriberRuntime): Promise<readonly DeadLetter[]> {
  const deadLetters: DeadLetter[] = [];
  for await (const letter of runtime.deadLetters) deadLetters.push(letter);
  return deadLetters;
}

test('console.log shows no callback token and no secret in the objects that a service gets', async () => {
  const { hub, topic, service, runtime, seen, token } = await setUp();
  expect(token.length).toBeGreaterThan(15);
  await topic.publish('news');
  await topic.publish('unrecoverable');
  await topic.publish('failing');
  hub.configure({ signature: 'wrong' });
  await topic.publish('forged');
  hub.configure({ signature: 'valid' });
  await hub.error('out of order');
  await topic.deny('not any more', { keep: true });
  await untilIdle();
  seen.push(['runtime', runtime], ['service', service], ['dead letters', await deadLettersOf(runtime)]);
  for await (const subscription of runtime.subscriptions) seen.push(['subscription', subscription]);
  await runtime.stop();
  const names = new Set(seen.map(([name]) => name));
  const hooks: readonly HookName[] = ['denied', 'hub-error', 'rejected', 'delivered', 'handler-error', 'dead-letter'];
  for (const name of [
    'verification',
    'unsubscription',
    'denial',
    'error',
    'event',
    ...hooks.map((hook) => `hook ${hook}`),
  ]) {
    expect(names).toContain(name);
  }
  const namesShowing = (text: string): readonly string[] =>
    seen.filter(([, value]) => `${fullText(value)} ${inspect(value)}`.includes(text)).map(([name]) => name);
  expect([namesShowing(token), namesShowing(SECRET)]).toEqual([[], []]);
});

test('console.log shows a dead letter with the messages of its errors', async () => {
  const { topic, runtime } = await setUp();
  await topic.publish('unrecoverable');
  await untilIdle();
  const [letter] = await deadLettersOf(runtime);
  expect(inspect(letter, { depth: 1 })).toContain("DeadLetter {\n  id: '");
  expect(inspect(letter)).toContain("errors: [ 'a bad event' ]");
  expect(inspect(letter)).toContain('event: ContentDistributionMessage {');
  expect(JSON.parse(JSON.stringify(letter))).toMatchObject({
    id: letter?.id,
    errors: [{ message: 'a bad event' }],
    event: { id: letter?.id, service: 'news', text: 'unrecoverable' },
  });
});

test('console.log shows the addresses and counts of a runtime', async () => {
  const { topic, runtime } = await setUp();
  await topic.publish('unrecoverable');
  await untilIdle();
  expect(inspect(runtime)).toBe(
    [
      'SubscriberRuntime {',
      `  url: 'http://localhost:${runtime.port}',`,
      `  port: ${runtime.port},`,
      "  services: [ 'news' ],",
      '  subscriptions: { active: 1 },',
      '  deadLetters: 1',
      '}',
    ].join('\n'),
  );
  expect(inspect({ a: { b: { runtime } } })).toBe('{ a: { b: { runtime: [SubscriberRuntime] } } }');
  await runtime.stop();
  expect(inspect(runtime)).toContain('isStopping: true');
});

test('console.log shows only the address of a test hub', async () => {
  const { hub } = await setUp();
  expect(inspect(hub)).toBe(`TestHub { url: '${hub.url}', port: ${hub.port} }`);
});
