import { describe, expect, test } from 'vitest';
import { FAILOVER_AFTER } from '../../../src/subscription/retry-policy.js';
import { dueAt } from '../../../src/subscription/machine/steps/on-due.js';
import { failure, HUB, SECOND_HUB, verifying, type Life } from './life.js';

const dueIn = (life: Life): number => (dueAt(life.record) ?? Infinity) - life.now;

describe('S3 a long list of refusing hubs', () => {
  const HUBS = Array.from({ length: 6 }, (_, index) => `https://hub-${index}.example/`);

  test('is tried slowly: two failovers at once, further ones after growing waits', () => {
    const life = verifying(...HUBS);
    life.random = 1;
    const waits: number[] = [];
    for (const _hub of HUBS.slice(1)) {
      life.refused();
      waits.push(life.actions.includes('subscribe') ? 0 : dueIn(life));
      if (waits.at(-1) !== 0) life.due(dueIn(life)).discovered(...HUBS);
      expect(life.actions).toContain('subscribe');
      life.requested();
    }
    expect(waits).toEqual([0, 0, 2_000, 4_000, 8_000]);
    expect(life.grant.advertisedHub).toBe(HUBS[5]);
  });

  test('N2 leaves one grant for each hub, which stores the wait of that hub', () => {
    const life = verifying(...HUBS);
    let { id } = life.grant;
    for (let time = 0; time < 40; time += 1) {
      const refusal = { grantId: id, requestId: 'r1', failure: failure('refused', life.now) };
      life.apply({ type: 'refused', ...refusal });
      const refused = life.record.grants.find((grant) => grant.id === id);
      expect(refused?.refusals).toBe(1 + Math.floor(time / HUBS.length));
      expect(refused?.notBefore).toBeGreaterThanOrEqual(life.now + 60_000);
      for (let step = 0; step < 5 && !life.actions.includes('subscribe'); step += 1) {
        life.due(dueIn(life));
        if (life.actions.includes('discover')) life.discovered(...HUBS);
      }
      id = life.effects.flatMap((effect) => (effect.type === 'request' ? effect.grantId : []))[0] ?? 'none';
      expect(life.record.grants.find((grant) => grant.id === id)?.notBefore ?? 0).toBeLessThanOrEqual(life.now);
      life.requested({ grantId: id });
      expect(life.record.grants.length).toBeLessThanOrEqual(HUBS.length);
    }
  });

  test('V4 keeps the grants of hubs that did not answer, because they may verify late', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    for (let time = 1; time < FAILOVER_AFTER; time += 1) life.unreachable().due(dueIn(life)).requested();
    life.unreachable();
    expect(life.actions).toContain('subscribe');
    life.requested().refused();
    expect(life.verified(undefined, id).grantAt(HUB).state).toBe('active');
  });
});
