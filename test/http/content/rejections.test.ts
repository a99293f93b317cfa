import { describe, expect, test } from 'vitest';
import type { HookPayload } from '../../../src/delivery/hook-payloads.js';
import { manualClock } from '../../kit/manual-clock.js';
import { subscribed } from '../../kit/subscribed.js';
import { exchange, request } from '../../kit/wire.js';

const MALFORMED = { 'X-Hub-Signature': 'sha256=00' };
const MINUTE_MS = 60_000;

/** A subscription whose callback is sent what it has to reject. */
async function rejecting() {
  const clock = manualClock();
  const given = await subscribed({ seams: clock.seams });
  const reject = async (headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    (await exchange(given.port, request('POST', given.path, headers, 'news'))).status;
  const warned = () =>
    given.logger.lines.filter(({ level, message }) => level === 'warn' && message.includes('signature'));
  const unsigned = () =>
    given.logger.lines.filter(({ level, message }) => level === 'warn' && message.includes('is not signed'));
  return { ...given, clock, reject, warned, unsigned };
}

describe('C2 content that is rejected', () => {
  test('is counted each time, and one a minute is noted and logged, whatever is wrong with it', async () => {
    const { reject, snapshot, clock, warned, unsigned } = await rejecting();
    for (let time = 0; time < 5; time += 1) {
      expect(await reject()).toBe(403);
      expect(await reject(MALFORMED)).toBe(403);
    }
    await expect.poll(async () => (await snapshot()).lastError?.message).toContain('The content is not signed');
    const { at } = (await snapshot()).lastError ?? {};
    expect((await snapshot()).stats.rejected).toBe(10);
    expect([unsigned().length, warned().length]).toEqual([1, 0]);

    clock.pass(MINUTE_MS);
    expect(await reject(MALFORMED)).toBe(403);
    expect(await reject()).toBe(403);
    await expect
      .poll(async () => (await snapshot()).lastError?.message)
      .toBe('The signature of the content is malformed');
    expect((await snapshot()).lastError?.at.getTime()).toBe((at?.getTime() ?? 0) + MINUTE_MS);
    expect(warned()).toMatchObject([{ fields: { notLogged: 9 } }]);
    expect(unsigned()).toHaveLength(1);
  });

  test('is told to a hook each time', async () => {
    const { reject, runtime } = await rejecting();
    const told: HookPayload[] = [];
    runtime.hooks.on('rejected', (payload) => void told.push(payload));
    await reject();
    await reject(MALFORMED);
    await reject(MALFORMED);
    expect(told.map(({ error, subscription }) => [error?.message.slice(0, 26), subscription.stats.rejected])).toEqual([
      ['The content is not signed,', 1],
      ['The signature of the conte', 2],
      ['The signature of the conte', 3],
    ]);
  });

  test('is noted for each subscription, and soon enough where the clock was set back', async () => {
    const { reject, clock, snapshot } = await rejecting();
    await reject();
    await expect.poll(async () => (await snapshot()).lastError).toBeDefined();
    clock.pass(-MINUTE_MS);
    await reject();
    await expect.poll(async () => (await snapshot()).lastError?.at.getTime()).toBe(clock.seams.now());
  });
});
