import { describe, expect, test } from 'vitest';
import { grantStateOf, stateOf } from '../../../src/subscription/machine/state.js';
import type { BareInput } from './current-ids.js';
import { INPUT_CASES, SITUATIONS, type InputCase, type Situation } from './situations.js';
import type { SubscriptionMachine } from './subscription-machine.js';
import { TRANSITIONS } from './transition-table.js';

const keys = <Key extends string>(object: Readonly<Record<Key, unknown>>): readonly Key[] =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal are those of its type
  Object.keys(object) as Key[];

function inWords({ record, actions }: SubscriptionMachine): string {
  const grants = record.grants.map((grant) => {
    const { state, pending } = grant;
    // A denial that does not end a working grant shows nowhere else.
    const stateInWords =
      grantStateOf(grant) === state && grant.deniedAt !== undefined ? `${state}!` : grantStateOf(grant);
    return pending === undefined ? stateInWords : `${stateInWords}…`;
  });
  return `${stateOf(record)} [${grants.join(' ')}]${actions.length === 0 ? '' : `: ${actions.join(', ')}`}`;
}

describe.each(keys(INPUT_CASES))('the input "%s"', (inputCase: InputCase) => {
  test.each(keys(SITUATIONS))('in the situation "%s" leads to the result in the table', (situation: Situation) => {
    const machine = SITUATIONS[situation]();
    const original = machine.record;
    const copyOfOriginal = structuredClone(original);
    const input: BareInput = INPUT_CASES[inputCase](machine);
    machine.apply(input);
    const isUnchanged = JSON.stringify([machine.record, machine.effects]) === JSON.stringify([copyOfOriginal, []]);
    expect(isUnchanged ? undefined : inWords(machine)).toBe(TRANSITIONS[inputCase][situation]);
    // The original record is never changed.
    expect(original).toEqual(copyOfOriginal);
  });
});

test('each situation begins with the listed state and grants', () => {
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
