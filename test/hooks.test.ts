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
  let made = 0;
  const emit = (): void =>
    hooks.emit('unsubscribed', () => {
      made += 1;
      return payload;
    });
  return { hooks, world, emit, made: () => made };
}

test('a listener is called with the payload, which is made only where somebody listens, and once for all', () => {
  const { hooks, emit, made } = setUp();
  emit();
  expect([made(), hooks.has('unsubscribed')]).toEqual([0, false]);
  const seen: HookPayload[] = [];
  hooks.on('unsubscribed', (given) => seen.push(given));
  hooks.on('unsubscribed', (given) => seen.push(given));
  hooks.on('denied', () => expect.unreachable());
  emit();
  expect(seen).toEqual([payload, payload]);
  expect([made(), hooks.has('unsubscribed')]).toEqual([1, true]);
});

test('the off function takes off its own registration, also of a listener that was given twice', () => {
  const { hooks, emit, made } = setUp();
  let calls = 0;
  const listener: HookListener = () => (calls += 1);
  const offs = [hooks.on('unsubscribed', listener), hooks.on('unsubscribed', listener)];
  offs[0]?.();
  offs[0]?.();
  emit();
  expect(calls).toBe(1);
  offs[1]?.();
  emit();
  expect([calls, made(), hooks.has('unsubscribed')]).toEqual([1, 1, false]);
});

test.each([
  ['throws', () => throws(new Error('a bug'))],
  ['rejects', () => Promise.reject(new Error('a bug'))],
])('a listener that %s is logged, and the others are called', async (_what, listener) => {
  const { hooks, world, emit } = setUp();
  let calls = 0;
  hooks.on('unsubscribed', listener);
  hooks.on('unsubscribed', () => (calls += 1));
  emit();
  expect(calls).toBe(1);
  await expect
    .poll(() => world.lines)
    .toEqual([{ level: 'error', fields: { hook: 'unsubscribed', err: new Error('a bug') }, message: 'a hook failed' }]);
});

test('a listener added by a listener is called from the next time on', () => {
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

test('a name that no hook has, and what cannot be called, are refused', () => {
  const { hooks } = setUp();
  const on = (name: string, listener: unknown): unknown =>
    Reflect.apply(Hooks.prototype.on.bind(hooks), undefined, [name, listener]);
  expect(() => on('verify', () => {})).toThrow(ConfigurationError);
  expect(() => on('verify', () => {})).toThrow(`There is no hook "verify"; there are ${HOOK_NAMES.join(', ')}.`);
  expect(() => on('unsubscribed', undefined)).toThrow('A listener of the hook "unsubscribed" is no function.');
});

function throws(error: Error): never {
  throw error;
}

test('a payload that cannot be made is logged, and nobody else notices', () => {
  const { hooks, world } = setUp();
  hooks.on('unsubscribed', () => expect.unreachable());
  hooks.emit('unsubscribed', () => {
    throw new Error('no payload');
  });
  expect(world.logged('a hook failed')).toHaveLength(1);
});
