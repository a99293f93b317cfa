import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../kit/durations.js';
import { subscribedTravel, TimeTravel, waitsBetween } from '../../kit/time-travel.js';
import { recordingService } from '../../kit/recording-service.js';

const LEASES = {
  'ten seconds': 10 * SECOND_MS,
  'five minutes': 5 * MINUTE_MS,
  'a day': DAY_MS,
  'ten days': 10 * DAY_MS,
} as const;

const describeJump = (milliseconds: number): string => {
  const size = Math.abs(milliseconds);
  const [unit, ms] = size < DAY_MS ? ['seconds', SECOND_MS] : ['days', DAY_MS];
  return `${milliseconds < 0 ? 'back' : 'forward'} by ${size / ms} ${unit}`;
};

/** The longest time the hub had no valid lease, by its own clock. */
function longestGap({ hub, hubTime }: TimeTravel, leaseMs: number): number {
  const verifiedTimes = hub.deliveries.flatMap(({ kind, status, at }) =>
    kind === 'verification' && status === 200 ? at.getTime() : [],
  );
  return Math.max(0, ...waitsBetween([...verifiedTimes, hubTime]).map((wait) => wait - leaseMs));
}

/** Checks that the hub got no more requests than with a correct clock, except for one per jump. */
function expectNoStorm(travel: TimeTravel, leaseMs: number, { jumps }: { readonly jumps: number }): void {
  const requestTimes = travel.requestTimes();
  const durationMs = travel.hubTime - (requestTimes[0] ?? 0);
  expect(requestTimes.length).toBeLessThanOrEqual(Math.ceil(durationMs / (0.5 * leaseMs)) + 1 + jumps);
  expect(Math.min(Infinity, ...waitsBetween(requestTimes))).toBeGreaterThanOrEqual(SECOND_MS);
  expect(travel.hub.violations).toEqual([]);
}

const withEveryLease = (jumps: readonly number[]): [jump: string, lease: string, jumpMs: number, leaseMs: number][] =>
  jumps.flatMap((jump) =>
    Object.entries(LEASES).map(([lease, leaseMs]): [string, string, number, number] => [
      describeJump(jump),
      lease,
      jump,
      leaseMs,
    ]),
  );

describe('L1 a clock that is set', () => {
  it.each(withEveryLease([DAY_MS, -DAY_MS, 400 * DAY_MS, -400 * DAY_MS, 0.5 * SECOND_MS, -0.5 * SECOND_MS]))(
    '%s leaves no gap in a lease of %s, and causes no extra requests',
    async (_jump, _lease, jumpMs, leaseMs) => {
      const { travel, topic, received, pass } = await subscribedTravel(leaseMs);
      const { callback } = await travel.subscription();
      await pass(0.3 * leaseMs);
      await travel.jump(jumpMs);
      await topic.publish('after the jump');
      await pass(3 * leaseMs);
      await topic.publish('later');
      expect(longestGap(travel, leaseMs)).toBe(0);
      expectNoStorm(travel, leaseMs, { jumps: 1 });
      expect(await travel.subscription()).toMatchObject({ state: 'active', callback, attempts: 0 });
      expect(received).toEqual(['after the jump', 'later']);
    },
  );

  it.each(Object.entries(LEASES))(
    'forward and back by a day, repeatedly, leaves no gap in a lease of %s',
    async (_lease, leaseMs) => {
      const { travel, pass } = await subscribedTravel(leaseMs);
      const jumps = [1, -1, -1, 1, 1, 1, -1, -1, -1, 1, -1, 1];
      for (const days of jumps) {
        await pass(0.25 * leaseMs);
        await travel.jump(days * DAY_MS);
      }
      await pass(leaseMs);
      expect(travel.skew).toBe(0);
      expect(longestGap(travel, leaseMs)).toBe(0);
      expectNoStorm(travel, leaseMs, { jumps: jumps.length });
    },
  );

  it.each(Object.entries(LEASES))(
    'forward and back by 300 ms, repeatedly, causes no gap and no extra requests for a lease of %s',
    async (_lease, leaseMs) => {
      const { travel, pass } = await subscribedTravel(leaseMs);
      for (let jump = 0; jump < 40; jump += 1) {
        await pass(0.1 * leaseMs);
        await travel.jump(jump % 2 === 0 ? 300 : -300);
      }
      expect(longestGap(travel, leaseMs)).toBe(0);
      expectNoStorm(travel, leaseMs, { jumps: 0 });
    },
  );
});

describe('L3 a clock that was wrong at the subscription', () => {
  it.each([
    // As on a machine without a battery for its clock.
    ['1970', Date.parse('1970-01-01T00:00:05Z') - Date.parse('2030-01-01T00:00:00Z')],
    ['2099', Date.parse('2099-01-01T00:00:00Z') - Date.parse('2030-01-01T00:00:00Z')],
  ])('and showed %s leaves no gap in the lease when it is corrected', async (_when, skew) => {
    const leaseMs = 10 * DAY_MS;
    const travel = await TimeTravel.begin({ hub: { leaseSeconds: leaseMs / SECOND_MS } });
    await travel.jump(skew);
    const topic = travel.hub.topic('/feed');
    const { service, received } = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
    await travel.start(service);
    const { callback } = await travel.subscription();
    await travel.advance(HOUR_MS);
    await travel.jump(-skew);
    await travel.advance(30 * DAY_MS);
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(longestGap(travel, leaseMs)).toBe(0);
    expectNoStorm(travel, leaseMs, { jumps: 1 });
    expect(await travel.subscription()).toMatchObject({ state: 'active', callback });
  });
});

describe('L4 a clock that is set while no process runs', () => {
  it.each([
    ['back by a day', -DAY_MS],
    ['back by a year', -365 * DAY_MS],
    ['forward by a day', DAY_MS],
    ['forward by a year', 365 * DAY_MS],
  ])('%s leaves no gap in the lease', async (_jump, jumpMs) => {
    const leaseMs = 10 * DAY_MS;
    const { travel, topic, service, received, pass } = await subscribedTravel(leaseMs);
    const { callback } = await travel.subscription();
    await pass(DAY_MS);
    await travel.sleep(MINUTE_MS);
    await travel.jump(jumpMs);
    await travel.start(service);
    await pass(30 * DAY_MS);
    await topic.publish('news');
    expect(received).toEqual(['news']);
    expect(longestGap(travel, leaseMs)).toBe(0);
    expectNoStorm(travel, leaseMs, { jumps: 1 });
    expect(await travel.subscription()).toMatchObject({ state: 'active', callback });
  });
});

describe('L2 a clock that is set back by a day', () => {
  it('while a hub does not verify leaves the next request at the end of the verification timeout', async () => {
    const { travel, topic, pass } = await subscribedTravel(10 * DAY_MS);
    topic.configure({ verify: 'never' });
    const { renewsAt } = await travel.subscription();
    await pass((renewsAt?.getTime() ?? 0) - travel.world.now);
    expect(travel.requestTimes()).toHaveLength(2);
    await travel.jump(-DAY_MS);
    topic.configure({ verify: undefined });
    await pass(2 * MINUTE_MS);
    expect(travel.requestTimes()).toHaveLength(3);
    expect(await travel.subscription()).toMatchObject({ state: 'active', attempts: 0 });
    expectNoStorm(travel, 10 * DAY_MS, { jumps: 2 });
  });
});
