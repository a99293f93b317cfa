import { expect, test } from 'vitest';
import { active, DAY, SubscriptionMachine } from '../subscription-machine.js';
import { catchUpDueAt } from '../../../../src/subscription/machine/fetches/catch-up-plan.js';

const MINUTE = 60_000;

const dueIn = ({ record, now }: SubscriptionMachine): number => (catchUpDueAt(record) ?? Infinity) - now;

function resumed(machine: SubscriptionMachine, receivedUntil: number | undefined): SubscriptionMachine {
  return machine.apply({ type: 'resumed', receivedUntil, fetchAt: machine.now + MINUTE });
}

test('L3 a topic is fetched for the time while the process was down', () => {
  const machine = active().after(DAY);
  const receivedUntil = machine.now - 5 * MINUTE;
  expect(resumed(machine, receivedUntil).record.gapSince).toBe(receivedUntil);
  expect(dueIn(machine)).toBe(MINUTE);
});

test('a topic without a working grant is fetched a minute later, because its hub may redeliver', () => {
  const machine = active().due(10 * DAY);
  const { gapSince } = machine.record;
  expect(resumed(machine, machine.now - 5 * MINUTE).record.gapSince).toBe(gapSince);
  expect(dueIn(machine)).toBe(2 * MINUTE);
});

test('an earlier gap counts', () => {
  const machine = active().after(DAY).apply({ type: 'content-refused', since: 5_000 });
  expect(resumed(machine, machine.now - 5 * MINUTE).record).toMatchObject({ gapSince: 5_000, renewalOwed: true });
  expect(machine.record.catchUp).not.toHaveProperty('refused', 'waiting');
});

test('a gap is never in the future, whatever the clock was', () => {
  const machine = active().after(DAY);
  expect(resumed(machine, machine.now + DAY).record.gapSince).toBe(machine.now);
});

test('a service that never ran has missed nothing', () => {
  const machine = active();
  const { record } = machine;
  expect(resumed(machine, undefined).record).toBe(record);
});

test('nothing is fetched without catch-up, but refused content still leads to a renewal', () => {
  const machine = active().after(DAY);
  machine.rules = { ...machine.rules, catchUp: false };
  const { record } = machine;
  expect(resumed(machine, 0).record).toBe(record);
  machine.apply({ type: 'content-refused', since: machine.now });
  expect(resumed(machine, 0).record).toMatchObject({ renewalOwed: true, catchUp: { refused: 'waiting' } });
  expect(machine.record).not.toHaveProperty('gapSince');
  expect(dueIn(machine)).toBe(MINUTE);
});

test('a stopped subscription has missed nothing', () => {
  const machine = active().unwanted('unsubscribed');
  const { record } = machine;
  expect(resumed(machine, 0).record).toBe(record);
});
