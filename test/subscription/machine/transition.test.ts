import { describe, expect, test } from 'vitest';
import { grantStateOf, stateOf } from '../../../src/subscription/machine/state.js';
import type { TransitionInput } from '../../../src/subscription/machine/transition-types.js';
import { EVENT_CASES, SITUATIONS, type EventCase, type Situation } from './situations.js';
import type { Life } from './life.js';
import { TRANSITIONS } from './transition-table.js';

const keys = <Key extends string>(object: Readonly<Record<Key, unknown>>): readonly Key[] =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal are those of its type
  Object.keys(object) as Key[];

function inWords({ record, actions }: Life): string {
  const grants = record.grants.map((grant) => {
    const { state, pending } = grant;
    // A denial that does not end a working grant shows nowhere else.
    const shown = grantStateOf(grant) === state && grant.deniedAt !== undefined ? `${state}!` : grantStateOf(grant);
    return pending === undefined ? shown : `${shown}…`;
  });
  return `${stateOf(record)} [${grants.join(' ')}]${actions.length === 0 ? '' : `: ${actions.join(', ')}`}`;
}

describe.each(keys(EVENT_CASES))('%s', (eventCase: EventCase) => {
  test.each(keys(SITUATIONS))('%s', (situation: Situation) => {
    const life = SITUATIONS[situation]();
    const original = life.record;
    const before = structuredClone(original);
    const input: TransitionInput = EVENT_CASES[eventCase](life);
    life.apply(input);
    const isUnchanged = JSON.stringify([life.record, life.effects]) === JSON.stringify([before, []]);
    expect(isUnchanged ? undefined : inWords(life)).toBe(TRANSITIONS[eventCase][situation]);
    // The original record is never changed.
    expect(original).toEqual(before);
  });
});

test('every situation has the state of its name', () => {
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
    'stopped as denied': 'denied [denied]',
    'refused by handler': 'failed [failed]',
    'gave up': 'failed [failed]',
    unsubscribing: 'unsubscribing [unsubscribing…]',
    deleting: 'unsubscribing [unsubscribing…]',
    'shutting down': 'unsubscribing [unsubscribing…]',
    unsubscribed: 'unsubscribed [unsubscribed]',
    'shut down': 'unsubscribed [unsubscribed]',
  });
});
