import { expect, test } from 'vitest';
import { HOOK_NAMES, subscriberHooks, type HookListener, type HookPayload } from '../src/delivery/hook-payloads.js';
import { Hooks } from '../src/hooks.js';
import { newSubscription } from '../src/subscription/record/record.js';
import { subscriptionSnapshot } from '../src/subscription/record/snapshot-of.js';
import { ConfigurationError } from 'websub-subscriber';
import { FakeWorld } from './kit/fake-world.js';

const record = newSubscription({ id: 's', service: 'a', target: 'https://a.example', declared: true, createdAt: 0 });
const payload: HookPayload<'unsubscribed'> = {
  subscription: subscriptionSnapshot(record, {
    received: 0,
    rejected: 0,
    delivered: 0,
    failed: 0,
    refused: 0,
    duplicates: 0,
    missed: 0,
  }),
  at: new Date(0),
};

function setUp() {
  const world = new FakeWorld();
  const hooks = subscriberHooks(world.logger);
  let payloadCount = 0;
  const emit = (): void =>
    hooks.emit('unsubscribed', () => {
      payloadCount += 1;
      return payload;
    });
  return { hooks, world, emit, payloadCount: () => payloadCount };
}

test('the payload is created once for all listeners, and only if there is a listener', () => {
  const { hooks, emit, payloadCount } = setUp();
  emit();
  expect([payloadCount(), hooks.has('unsubscribed')]).toEqual([0, false]);
  const payloads: HookPayload[] = [];
  hooks.on('unsubscribed', (received) => payloads.push(received));
  hooks.on('unsubscribed', (received) => payloads.push(received));
  hooks.on('denied', () => expect.unreachable());
  emit();
  expect(payloads).toEqual([payload, payload]);
  expect([payloadCount(), hooks.has('unsubscribed')]).toEqual([1, true]);
});

test('the off function removes only its own registration, even if the listener was added twice', () => {
  const { hooks, emit, payloadCount } = setUp();
  let calls = 0;
  const listener: HookListener = () => (calls += 1);
  const offFunctions = [hooks.on('unsubscribed', listener), hooks.on('unsubscribed', listener)];
  offFunctions[0]?.();
  offFunctions[0]?.();
  emit();
  expect(calls).toBe(1);
  offFunctions[1]?.();
  emit();
  expect([calls, payloadCount(), hooks.has('unsubscribed')]).toEqual([1, 1, false]);
});

test.each([
  ['throws', () => throws(new Error('a bug'))],
  ['rejects', () => Promise.reject(new Error('a bug'))],
])('a listener that %s is logged, and the other listeners still run', async (_case, listener) => {
  const { hooks, world, emit } = setUp();
  let calls = 0;
  hooks.on('unsubscribed', listener);
  hooks.on('unsubscribed', () => (calls += 1));
  emit();
  expect(calls).toBe(1);
  await expect
    .poll(() => world.lines)
    .toMatchObject([
      { level: 'error', event: 'hook.failed', fields: { hook: 'unsubscribed', err: new Error('a bug') } },
    ]);
});

test('a listener added by a listener runs from the next call of emit() on', () => {
  const { hooks, emit } = setUp();
  let calls = 0;
  const addAnother: HookListener = () => {
    calls += 1;
    hooks.on('unsubscribed', addAnother);
  };
  hooks.on('unsubscribed', addAnother);
  emit();
  expect(calls).toBe(1);
  emit();
  expect(calls).toBe(3);
});

test('on() rejects an unknown hook name and a listener that is not a function', () => {
  const { hooks } = setUp();
  const on = (name: string, listener: unknown): unknown =>
    Reflect.apply(Hooks.prototype.on.bind(hooks), undefined, [name, listener]);
  expect(() => on('verify', () => {})).toThrow(ConfigurationError);
  expect(() => on('verify', () => {})).toThrow(
    `There is no hook "verify"; it must be one of ${HOOK_NAMES.join(', ')}.`,
  );
  expect(() => on('unsubscribed', undefined)).toThrow(ConfigurationError);
  expect(() => on('unsubscribed', undefined)).toThrow('listener of the hook "unsubscribed"');
});

function throws(error: Error): never {
  throw error;
}

test('a payload that cannot be created is logged, and emit does not throw', () => {
  const { hooks, world } = setUp();
  hooks.on('unsubscribed', () => expect.unreachable());
  hooks.emit('unsubscribed', () => {
    throw new Error('no payload');
  });
  expect(world.logged('hook.failed')).toHaveLength(1);
});
