import { describe, expect, test } from 'vitest';
import { grantStateOf, stateOf } from '../../../src/subscription/machine/state.js';
import type { SubscriptionEvent } from '../../../src/subscription/machine/events.js';
import { HAPPENINGS, SITUATIONS, type Happening, type Situation } from './situations.js';
import type { Life } from './life.js';
import { TRANSITIONS } from './transition-table.js';

const keys = <Key extends string>(object: Readonly<Record<Key, unknown>>): readonly Key[] =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal are those of its type
  Object.keys(object) as Key[];

function inWords({ record, asked }: Life): string {
  const grants = record.grants.map((grant) => {
    const { state, pending } = grant;
    // A denial that does not end what works is seen nowhere else.
    const shown = grantStateOf(grant) === state && grant.deniedAt !== undefined ? `${state}!` : grantStateOf(grant);
    return pending === undefined ? shown : `${shown}…`;
  });
  return `${stateOf(record)} [${grants.join(' ')}]${asked.length === 0 ? '' : `: ${asked.join(', ')}`}`;
}

describe.each(keys(HAPPENINGS))('%s', (happening: Happening) => {
  test.each(keys(SITUATIONS))('%s', (situation: Situation) => {
    const life = SITUATIONS[situation]();
    const given = life.record;
    const before = structuredClone(given);
    const event: SubscriptionEvent = HAPPENINGS[happening](life);
    life.apply(event);
    const isUnchanged = JSON.stringify([life.record, life.effects]) === JSON.stringify([before, []]);
    expect(isUnchanged ? undefined : inWords(life)).toBe(TRANSITIONS[happening][situation]);
    // The record that was given is never changed.
    expect(given).toEqual(before);
  });
});

test('the situations are what they are called', () => {
  const states = Object.fromEntries(keys(SITUATIONS).map((name) => [name, inWords(SITUATIONS[name]()).split(':')[0]]));
  expect(states).toEqual({
    new: 'requested []',
    discovering: 'requested []',
    'discovery failed': 'failed []',
    requested: 'requested [requested]',
    verifying: 'verifying [verifying…]',
    failed: 'failed [failed]',
    active: 'active [active]',
    renewing: 'active [active…]',
    expired: 'expired [expired]',
    'verified before the answer': 'active [active…]',
    denied: 'denied [denied]',
    'request denied': 'denied [denied…]',
    'renewal denied': 'active [active!…]',
    'waiting after a denial': 'denied [denied]',
    'held as denied': 'denied [denied]',
    'refused by handler': 'failed [failed]',
    'gave up': 'failed [failed]',
    unsubscribing: 'unsubscribing [unsubscribing…]',
    deleting: 'unsubscribing [unsubscribing…]',
    leaving: 'unsubscribing [unsubscribing…]',
    unsubscribed: 'unsubscribed [unsubscribed]',
    left: 'unsubscribed [unsubscribed]',
  });
});
