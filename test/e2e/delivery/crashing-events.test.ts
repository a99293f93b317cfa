import { describe, expect, test } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { crashingSubscriber } from '../../kit/crashing-subscriber.js';
import { atom, startPublisher } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const LONGEST_MS = 90_000;
const TEXTS = Array.from({ length: 50 }, (_, index) => (index === 25 ? 'poison' : `news ${index}`));

describe('an event that crashes the process', () => {
  test(
    'C7 is a dead letter after three crashes, and the 49 other events in the store are handled',
    async () => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      const subscriber = await crashingSubscriber(topic.url);
      await subscriber.start({ HOLD: 'yes' });
      for (const text of TEXTS) {
        const [delivery] = await topic.publish(text);
        expect(delivery?.status).toBe(202);
      }
      await subscriber.kill();

      const before = (await subscriber.runs()).length;
      const lives: (readonly string[])[] = [];
      for (let seenLines = before; lives.length < 3;) {
        await subscriber.start();
        expect(await subscriber.ended()).toBe('SIGABRT');
        const runs = await subscriber.runs();
        lives.push(runs.slice(seenLines));
        seenLines = runs.length;
      }
      await subscriber.start();
      const isHandled = async (): Promise<boolean> => {
        const runs = new Set(await subscriber.runs());
        return TEXTS.every((text) => text === 'poison' || runs.has(`end ${text}`));
      };
      await until(isHandled);
      await until(async () => (await subscriber.runs()).some((run) => run.startsWith('dead-letter')));
      expect(await subscriber.deadLetters()).toEqual([{ cause: 'crashed', attempts: 0, text: 'poison' }]);
      const runs = await subscriber.runs();
      expect(runs.filter((run) => run === 'begin poison')).toHaveLength(
        3 + Number(runs.slice(0, before).includes('begin poison')),
      );
      expect(runs.filter((run) => run.startsWith('dead-letter'))).toEqual([
        expect.stringMatching(/^dead-letter crashed: The process ended 3 times .* runtime\.deadLetters\.replay/),
      ]);
      expect(subscriber.logged('given up and kept as a dead letter')).toHaveLength(1);
      // From the second crash on, only one event of those that ran at the previous crash runs at a time.
      for (const [index, life] of lives.slice(1).entries()) {
        const suspects = openAt(lives[index] ?? []);
        expect(suspects).toContain('poison');
        expect(openAt(life).filter((text) => suspects.includes(text))).toEqual(['poison']);
      }

      // It stays a dead letter, and all others work.
      await subscriber.kill();
      await subscriber.start();
      expect(await subscriber.deadLetters()).toHaveLength(1);
      await topic.publish('later');
      await until(async () => (await subscriber.runs()).includes('end later'));
    },
    LONGEST_MS,
  );

  test(
    'C7 a regular stop does not count as a crash, however often it interrupts a handler',
    async () => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      const subscriber = await crashingSubscriber(topic.url);
      await subscriber.start({ HOLD: 'yes' });
      await topic.publish('slow');
      for (let life = 1; life < 5; life += 1) {
        await until(async () => (await subscriber.runs()).length === life);
        await subscriber.stop();
        await subscriber.start({ HOLD: 'yes' });
      }
      await until(async () => (await subscriber.runs()).length === 5);
      expect(await subscriber.deadLetters()).toEqual([]);
      expect(subscriber.logged('one at a time')).toEqual([]);
    },
    LONGEST_MS,
  );
});

test(
  'L3 a topic with a fetch that crashes the process is skipped after three crashes until the renewal; all others work',
  async () => {
    const hub = await startHub();
    const publisher = await startPublisher(hub, atom([{ id: 'old', at: Date.now() - 86_400_000 }]));
    const subscriber = await crashingSubscriber(publisher.url);
    await subscriber.start();
    // A stop, not a kill: an unfinished subscription would start with discovery.
    await subscriber.stop();
    publisher.body = atom([{ id: 'missed', at: Date.now() }]);
    await subscriber.setPoison(true);
    for (let crash = 0; crash < 3; crash += 1) {
      await subscriber.start();
      expect(await subscriber.ended()).toBe('SIGABRT');
    }
    await subscriber.start();
    await until(() => subscriber.logged('is not fetched before the next renewal').length > 0);
    await hub.distribute(publisher.url, 'news', {});
    await until(async () => (await subscriber.runs()).includes('end news'));
    expect((await subscriber.runs()).filter((run) => run === 'fetch topic')).toHaveLength(3);
    const [line = ''] = subscriber.logged('is not fetched before the next renewal');
    expect(JSON.parse(line)).toMatchObject({ level: 50, topic: publisher.url, crashes: 3 });

    // Neither a regular stop nor the next start counts as a renewal.
    await subscriber.stop();
    await subscriber.start();
    await until(() => subscriber.logged('is not fetched before the next renewal').length > 1);

    await subscriber.setPoison(false);
    await subscriber.renew();
    await until(async () => (await subscriber.runs()).includes('end catch-up'));
    await subscriber.stop();
    await subscriber.start();
    expect(subscriber.logged('is not fetched before the next renewal')).toHaveLength(2);
  },
  LONGEST_MS,
);

/** The runs that were open when the process died. */
function openAt(life: readonly string[]): readonly string[] {
  const ended = new Set(life.flatMap((line) => (line.startsWith('end ') ? line.slice(4) : [])));
  return life.flatMap((line) => (line.startsWith('begin ') && !ended.has(line.slice(6)) ? line.slice(6) : []));
}
