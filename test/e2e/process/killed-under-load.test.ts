import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { killableSubscriber } from '../../kit/killable-subscriber.js';

/** Number of kills. For a longer test: `KILLS=200 npx vitest run …`. */
const KILLS = Number(process.env['KILLS'] ?? 5);
/** Deliveries in flight. */
const SENDERS = 8;
const MAX_UPTIME_MS = 1_500;

test.each(['inline', 'queued'] as const)(
  'C7 C9 in %s mode, acknowledged events are handled even if the process is killed repeatedly under load',
  async (mode) => {
    await using hub = await TestHub.start();
    const topic = hub.topic('/feed');
    const subscriber = await killableSubscriber(topic.url, mode);
    await subscriber.start();

    const acknowledged = new Set<string>();
    const load = { isOn: true, sent: 0 };
    const send = async (): Promise<void> => {
      while (load.isOn) {
        load.sent += 1;
        const body = `news ${load.sent}`;
        const [delivery] = await topic.publish(body);
        if (delivery?.status === 202) acknowledged.add(body);
        else await pause(20);
      }
    };
    const senders = Array.from({ length: SENDERS }, send);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await pause(Math.random() ** 2 * MAX_UPTIME_MS);
      await subscriber.kill();
      await subscriber.start();
    }
    load.isOn = false;
    await Promise.all(senders);

    const missing = async (): Promise<readonly string[]> => {
      const handled = new Set(await subscriber.handled());
      return [...acknowledged].filter((body) => !handled.has(body));
    };
    // An event that was running at three kills is a dead letter. Nothing else may be missing.
    const lost = async (): Promise<number> => (await missing()).length - Number(await subscriber.deadLetterCount());
    await expect.poll(lost, { timeout: 60_000 + KILLS * 500, interval: 200 }).toBe(0);
    const handled = await subscriber.handled();
    const repeats = handled.length - new Set(handled).size;
    console.log(
      `${mode}: killed ${KILLS} times; ${load.sent} sent, ${acknowledged.size} acknowledged, none lost, ${(await missing()).length} dead letters, ${repeats} handled again`,
    );
    expect(acknowledged.size).toBeGreaterThan(KILLS);
  },
  60_000 + KILLS * 10_000,
);
