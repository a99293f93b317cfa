import { describe, expect, test } from 'vitest';
import { active, DAY, SubscriptionMachine, TOPIC } from '../subscription-machine.js';
import { catchUpDueAt, isCatchingUp } from '../../../../src/subscription/machine/fetches/catch-up-plan.js';

const MINUTE = 60_000;

const dueIn = ({ record, now }: SubscriptionMachine): number => (catchUpDueAt(record) ?? Infinity) - now;

function refused(machine = active().after(DAY)): SubscriptionMachine {
  return machine.apply({ type: 'content-refused', since: machine.now });
}

/** There is room when the plan is due. */
const withRoom = (machine: SubscriptionMachine): SubscriptionMachine =>
  machine.after(dueIn(machine)).apply({ type: 'room-found' });

describe('C7 refused content', () => {
  test('leads to a look for room, then to a fetch and a renewal at a random time within ten minutes', () => {
    const machine = refused();
    const since = machine.now;
    expect(machine.record).toMatchObject({ gapSince: since, renewalOwed: true });
    expect(isCatchingUp(machine.record)).toBe(false);
    expect(dueIn(machine)).toBe(10_000);
    withRoom(machine);
    expect(machine.actions).toEqual([]);
    expect(dueIn(machine)).toBe(5 * MINUTE);
    withRoom(machine);
    expect(machine.actions).toEqual(['discover']);
    expect(machine.record.renewalOwed).toBeUndefined();
    expect(isCatchingUp(machine.record)).toBe(true);
    machine.apply({ type: 'caught-up', beganAt: machine.now, fetched: { topic: TOPIC } });
    expect(machine.record).not.toHaveProperty('catchUp');
    expect(machine.record).not.toHaveProperty('gapSince');
  });

  test('counts once per overload', () => {
    const machine = refused();
    const { record } = machine;
    expect(refused(machine.after(1_000)).record).toBe(record);
  });

  test('during the fetch is an overload of its own', () => {
    const machine = withRoom(withRoom(refused()));
    const gapId = machine.record.catchUp?.id ?? '';
    const beganAt = machine.now;
    refused(machine.after(1_000));
    const { record } = machine;
    expect(record).toMatchObject({ renewalOwed: true, catchUp: { refused: 'waiting' } });
    expect(machine.apply({ type: 'caught-up', gapId, beganAt, fetched: { topic: TOPIC } }).record).toBe(record);
  });

  test('waits for room again if the inbox is full when the fetch is due', () => {
    const machine = withRoom(refused());
    machine.after(dueIn(machine)).apply({ type: 'room-missing' });
    expect(machine.record.catchUp?.refused).toBe('waiting');
    expect(dueIn(machine)).toBe(10_000);
    withRoom(machine);
    expect(machine.record.catchUp?.refused).toBe('spread');
  });

  test('without catch-up only leads to a renewal', () => {
    const machine = active().after(DAY);
    machine.rules = { ...machine.rules, catchUp: false };
    withRoom(refused(machine));
    expect(machine.record).not.toHaveProperty('gapSince');
    withRoom(machine);
    expect(machine.actions).toEqual(['discover']);
    expect(machine.record).not.toHaveProperty('catchUp');
  });

  test('keeps the start of an earlier gap', () => {
    const machine = active().due(10 * DAY);
    const { gapSince } = machine.record;
    refused(machine.after(MINUTE));
    expect(machine.record.gapSince).toBe(gapSince);
  });

  test('of a subscription that is not wanted changes nothing', () => {
    const machine = active().unwanted('unsubscribed');
    const { record } = machine;
    expect(refused(machine).record).toBe(record);
  });

  test('still leads to a renewal if a hub verifies meanwhile, because it may drop us after that', () => {
    const machine = refused();
    machine.apply({ type: 'renewal-wanted' });
    refused(machine);
    machine.discovered().requested().accepted().verified();
    expect(machine.record.catchUp?.refused).toBe('waiting');
  });
});
