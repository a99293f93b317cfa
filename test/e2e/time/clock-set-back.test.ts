import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../kit/durations.js';
import { subscribedTravel, TimeTravel, waitsBetween } from '../../kit/time-travel.js';
import { recordingService } from '../../kit/recording-service.js';

const JUMPS_BACK = [
  ['a minute', MINUTE_MS],
  ['an hour', HOUR_MS],
  ['twelve hours', 12 * HOUR_MS],
  ['23 hours', 23 * HOUR_MS],
  ['a day', DAY_MS],
  ['ten days', 10 * DAY_MS],
] as const;

describe('L2 a clock set back while a hub fails', () => {
  it.each(JUMPS_BACK)('by %s delays a renewal by an hour at most', async (_, backMs) => {
    const { travel, topic } = await subscribedTravel(10 * DAY_MS);
    const { renewsAt } = await travel.subscription();
    await travel.advance((renewsAt?.getTime() ?? 0) - travel.world.now - MINUTE_MS);
    topic.fail(503);
    await travel.advance(6 * HOUR_MS);
    await travel.jump(-backMs);
    topic.configure({ fail: false });
    await travel.advance(HOUR_MS + SECOND_MS);
    expect(await travel.subscription()).toMatchObject({ state: 'active', attempts: 0 });
    expect(Math.min(...waitsBetween(travel.requestTimes()))).toBeGreaterThanOrEqual(SECOND_MS);
  });

  it.each(JUMPS_BACK)('by %s delays a first request by an hour at most', async (_, backMs) => {
    const travel = await TimeTravel.begin();
    const topic = travel.hub.topic('/feed', { fail: { status: 503 } });
    await travel.start(recordingService({ target: topic.url }).service);
    await travel.advance(6 * HOUR_MS);
    await travel.jump(-backMs);
    topic.configure({ fail: false });
    await travel.advance(HOUR_MS + SECOND_MS);
    expect(await travel.subscription()).toMatchObject({ state: 'active', attempts: 0 });
  });

  it.each(JUMPS_BACK)('by %s while no process runs delays a first request by an hour at most', async (_, backMs) => {
    const travel = await TimeTravel.begin();
    const topic = travel.hub.topic('/feed', { fail: { status: 503 } });
    const { service } = recordingService({ target: topic.url });
    await travel.start(service);
    await travel.advance(6 * HOUR_MS);
    await travel.stop();
    await travel.jump(-backMs);
    topic.configure({ fail: false });
    await travel.start(service);
    await travel.advance(HOUR_MS + SECOND_MS);
    expect(await travel.subscription()).toMatchObject({ state: 'active', attempts: 0 });
  });
});

describe('L1 a clock set back', () => {
  it.each([
    ['5 seconds', 'ten seconds', 5, 10],
    ['30 seconds', 'ten seconds', 30, 10],
    ['59 seconds', 'ten seconds', 59, 10],
    ['59 seconds', 'a minute', 59, 60],
    ['59 seconds', 'five minutes', 59, 300],
  ])('by %s leaves no gap in a lease of %s', async (_back, _lease, backSeconds, leaseSeconds) => {
    const leaseMs = leaseSeconds * SECOND_MS;
    const { travel, pass } = await subscribedTravel(leaseMs);
    await pass(0.3 * leaseMs);
    await travel.jump(-backSeconds * SECOND_MS);
    await pass(3 * leaseMs);
    const verifiedTimes = travel.hub.deliveries.flatMap(({ kind, status, at }) =>
      kind === 'verification' && status === 200 ? at.getTime() : [],
    );
    expect(Math.max(...waitsBetween([...verifiedTimes, travel.hubTime]))).toBeLessThanOrEqual(leaseMs);
    expect(Math.min(...waitsBetween(travel.requestTimes()))).toBeGreaterThanOrEqual(SECOND_MS);
  });
});
