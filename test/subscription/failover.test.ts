import { describe, expect, test } from 'vitest';
import { FAILOVER_AFTER } from '../../src/subscription/backoff.js';
import { dueAt } from '../../src/subscription/due.js';
import { HUB, SECOND_HUB, verifying, type Life } from './life.js';

const dueIn = (life: Life): number => (dueAt(life.record) ?? Infinity) - life.now;

describe('S3 a long list of hubs that refuse', () => {
  const HUBS = Array.from({ length: 6 }, (_, index) => `https://hub-${index}.example/`);

  test('is gone through slowly: two failovers at once, the further ones after growing pauses', () => {
    const life = verifying(...HUBS);
    life.random = 1;
    const waits: number[] = [];
    for (const _hub of HUBS.slice(1)) {
      life.refused();
      waits.push(life.asked.includes('subscribe') ? 0 : dueIn(life));
      if (waits.at(-1) !== 0) life.due(dueIn(life)).discovered(...HUBS);
      expect(life.asked).toContain('subscribe');
      life.requested();
    }
    expect(waits).toEqual([0, 0, 2_000, 4_000, 8_000]);
    expect(life.grant.advertisedHub).toBe(HUBS[5]);
  });

  test('does not leave a grant for each of them', () => {
    const life = verifying(...HUBS);
    for (let time = 0; time < 20; time += 1) {
      life.refused();
      if (!life.asked.includes('subscribe')) life.due(dueIn(life)).discovered(...HUBS);
      life.requested();
      expect(life.record.grants.length).toBeLessThanOrEqual(4);
    }
  });

  test('V4 leaves the grants of those that did not answer: they may verify late', () => {
    const life = verifying(HUB, SECOND_HUB);
    const { id } = life.grant;
    for (let time = 1; time < FAILOVER_AFTER; time += 1) life.unreachable().due(dueIn(life)).requested();
    life.unreachable();
    expect(life.asked).toContain('subscribe');
    life.requested().refused();
    expect(life.verified(undefined, id).grantAt(HUB).state).toBe('active');
  });
});
