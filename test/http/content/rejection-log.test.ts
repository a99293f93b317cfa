import { describe, expect, test } from 'vitest';
import type { HookPayload } from '../../../src/delivery/hook-payloads.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';

const MALFORMED = { 'X-Hub-Signature': 'sha256=00' };
const MINUTE_MS = 60_000;

/** A subscription, and a function that sends content without a valid signature to its callback. */
async function setUp() {
  const clock = new ManualClock(Date.now());
  const subscription = await subscribed({ seams: clock });
  const reject = async (headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    (await exchange(subscription.port, request('POST', subscription.path, headers, 'news'))).status;
  return { ...subscription, clock, reject };
}

describe('C2 rejected content', () => {
  test('is counted each time, and stored and logged once a minute for all problems together', async () => {
    const { reject, snapshot, clock, logger } = await setUp();
    for (let count = 0; count < 5; count += 1) {
      expect(await reject()).toBe(403);
      expect(await reject(MALFORMED)).toBe(403);
    }
    await expect.poll(async () => (await snapshot()).lastError?.message).toContain('The content is not signed');
    const { at } = (await snapshot()).lastError ?? {};
    expect((await snapshot()).stats.rejected).toBe(10);
    const unsigned = { level: 'warn', fields: { problem: 'missing', suppressed: 0 } };
    expect(logger.logged('delivery.rejected')).toMatchObject([unsigned]);

    clock.advance(MINUTE_MS);
    expect(await reject(MALFORMED)).toBe(403);
    expect(await reject()).toBe(403);
    await expect
      .poll(async () => (await snapshot()).lastError?.message)
      .toBe('The signature of the content is malformed.');
    expect((await snapshot()).lastError?.at.getTime()).toBe((at?.getTime() ?? 0) + MINUTE_MS);
    expect(logger.logged('delivery.rejected')).toMatchObject([
      unsigned,
      { level: 'warn', fields: { problem: 'malformed', suppressed: 9 } },
    ]);
  });

  test('calls the hook each time', async () => {
    const { reject, runtime } = await setUp();
    const payloads: HookPayload[] = [];
    runtime.hooks.on('rejected', (payload) => void payloads.push(payload));
    await reject();
    await reject(MALFORMED);
    await reject(MALFORMED);
    expect(
      payloads.map(({ error, subscription }) => [error?.message.slice(0, 26), subscription.stats.rejected]),
    ).toEqual([
      ['The content is not signed,', 1],
      ['The signature of the conte', 2],
      ['The signature of the conte', 3],
    ]);
  });

  test('is stored again if the clock was set back', async () => {
    const { reject, clock, snapshot } = await setUp();
    await reject();
    await expect.poll(async () => (await snapshot()).lastError).toBeDefined();
    clock.advance(-MINUTE_MS);
    await reject();
    await expect.poll(async () => (await snapshot()).lastError?.at.getTime()).toBe(clock.time);
  });
});
