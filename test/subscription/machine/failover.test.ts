import { describe, expect, test } from 'vitest';
import { FAILOVER_AFTER } from '../../../src/subscription/retry-policy.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { failure, HUB, SECOND_HUB, verifying, type SubscriptionMachine } from './subscription-machine.js';

const dueIn = (machine: SubscriptionMachine): number => (dueAt(machine.record) ?? Infinity) - machine.now;

describe('S3 a list of hubs that refuse or do not answer', () => {
  const HUBS = Array.from({ length: 6 }, (_, index) => `https://hub-${index}.example/`);

  test('is tried slowly, with two failovers at once and further failovers after growing waits', () => {
    const machine = verifying(...HUBS);
    machine.random = 1;
    const waits: number[] = [];
    for (const _hub of HUBS.slice(1)) {
      machine.refused();
      waits.push(machine.actions.includes('subscribe') ? 0 : dueIn(machine));
      if (waits.at(-1) !== 0) machine.due(dueIn(machine)).discovered(...HUBS);
      expect(machine.actions).toContain('subscribe');
      machine.requested();
    }
    expect(waits).toEqual([0, 0, 2_000, 4_000, 8_000]);
    expect(machine.grant.advertisedHub).toBe(HUBS[5]);
  });

  test('N2 leads to at most one grant per hub, which stores the wait of that hub', () => {
    const machine = verifying(...HUBS);
    let { id } = machine.grant;
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const refusal = { grantId: id, failure: failure('refused', machine.now) };
      machine.apply({ type: 'refused', ...refusal });
      const refused = machine.record.grants.find((grant) => grant.id === id);
      expect(refused?.refusals).toBe(1 + Math.floor(attempt / HUBS.length));
      expect(refused?.notBefore).toBeGreaterThanOrEqual(machine.now + 60_000);
      for (let step = 0; step < 5 && !machine.actions.includes('subscribe'); step += 1) {
        machine.due(dueIn(machine));
        if (machine.actions.includes('discover')) machine.discovered(...HUBS);
      }
      id = machine.effects.flatMap((effect) => (effect.type === 'request' ? effect.grantId : []))[0] ?? 'none';
      expect(machine.record.grants.find((grant) => grant.id === id)?.notBefore ?? 0).toBeLessThanOrEqual(machine.now);
      machine.requested({ grantId: id });
      expect(machine.record.grants.length).toBeLessThanOrEqual(HUBS.length);
    }
  });

  test('V4 keeps the grant of a hub that did not answer, because that hub may verify late', () => {
    const machine = verifying(HUB, SECOND_HUB);
    const { id } = machine.grant;
    for (let attempt = 1; attempt < FAILOVER_AFTER; attempt += 1) machine.unreachable().due(dueIn(machine)).requested();
    machine.unreachable();
    expect(machine.actions).toContain('subscribe');
    machine.requested().refused();
    expect(machine.verified(undefined, id).grantAt(HUB).state).toBe('active');
  });
});
