import { describe, expect, test } from 'vitest';
import { TestHub } from 'websub-subscriber/testing';
import { crashingSubscriber } from '../../kit/crashing-subscriber.js';
import { atom, startPublisher } from '../../kit/publisher.js';
import { until } from '../../kit/until.js';
import { startHub } from '../../kit/start-hub.js';

const LONGEST_MS = 90_000;
const TEXTS = Array.from({ length: 50 }, (_, index) => (index === 25 ? 'poison' : `news ${index}`));

describe('the crash guard', () => {
  test(
    'C7 dead-letters an event after it crashed the process three times, while the 49 other stored events are handled',
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

      const lineCountBefore = (await subscriber.runs()).length;
      const linesByCrash: (readonly string[])[] = [];
      for (let lineCount = lineCountBefore; linesByCrash.length < 3;) {
        await subscriber.start();
        expect(await subscriber.ended()).toBe('SIGABRT');
        const runs = await subscriber.runs();
        linesByCrash.push(runs.slice(lineCount));
        lineCount = runs.length;
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
        3 + Number(runs.slice(0, lineCountBefore).includes('begin poison')),
      );
      expect(runs.filter((run) => run.startsWith('dead-letter'))).toEqual([
        expect.stringMatching(/^dead-letter crashed: .* ended 3 times .* runtime\.deadLetters\.replay/),
      ]);
      expect(subscriber.logged('event.dead-lettered')).toHaveLength(1);
      // After the first crash, the events that were running at the previous crash run one at a time.
      for (const [index, lines] of linesByCrash.slice(1).entries()) {
        const suspects = unfinishedTexts(linesByCrash[index] ?? []);
        expect(suspects).toContain('poison');
        expect(unfinishedTexts(lines).filter((text) => suspects.includes(text))).toEqual(['poison']);
      }

      // The event stays a dead letter, and later events are handled.
      await subscriber.kill();
      await subscriber.start();
      expect(await subscriber.deadLetters()).toHaveLength(1);
      await topic.publish('later');
      await until(async () => (await subscriber.runs()).includes('end later'));
    },
    LONGEST_MS,
  );

  test(
    'C7 does not count a regular stop as a crash, even if four stops interrupt the same handler',
    async () => {
      await using hub = await TestHub.start();
      const topic = hub.topic('/feed');
      const subscriber = await crashingSubscriber(topic.url);
      await subscriber.start({ HOLD: 'yes' });
      await topic.publish('slow');
      for (let runCount = 1; runCount < 5; runCount += 1) {
        await until(async () => (await subscriber.runs()).length === runCount);
        await subscriber.stop();
        await subscriber.start({ HOLD: 'yes' });
      }
      await until(async () => (await subscriber.runs()).length === 5);
      expect(await subscriber.deadLetters()).toEqual([]);
      expect(subscriber.logged('event.crash-suspects')).toEqual([]);
    },
    LONGEST_MS,
  );
});

test(
  'L3 a topic whose fetch crashed the process three times is not fetched until the renewal, but its hub still delivers',
  async () => {
    const hub = await startHub();
    const publisher = await startPublisher(hub, atom([{ id: 'old', publishedAt: Date.now() - 86_400_000 }]));
    const subscriber = await crashingSubscriber(publisher.url);
    await subscriber.start();
    // A kill could leave the subscription unfinished. The next start would then fetch the topic for discovery.
    await subscriber.stop();
    publisher.body = atom([{ id: 'missed', publishedAt: Date.now() }]);
    await subscriber.setPoison(true);
    for (let crash = 0; crash < 3; crash += 1) {
      await subscriber.start();
      expect(await subscriber.ended()).toBe('SIGABRT');
    }
    await subscriber.start();
    await until(() => subscriber.logged('topic.suspended').length > 0);
    await hub.distribute(publisher.url, 'news', {});
    await until(async () => (await subscriber.runs()).includes('end news'));
    expect((await subscriber.runs()).filter((run) => run === 'fetch topic')).toHaveLength(3);
    const [line = ''] = subscriber.logged('topic.suspended');
    expect(JSON.parse(line)).toMatchObject({ level: 50, topic: publisher.url, crashes: 3 });

    // Neither a regular stop nor the next start counts as a renewal.
    await subscriber.stop();
    await subscriber.start();
    await until(() => subscriber.logged('topic.suspended').length > 1);

    await subscriber.setPoison(false);
    await subscriber.renew();
    await until(async () => (await subscriber.runs()).includes('end catch-up'));
    await subscriber.stop();
    await subscriber.start();
    expect(subscriber.logged('topic.suspended')).toHaveLength(2);
  },
  LONGEST_MS,
);

/** The texts of the events whose handler run has a start line but no end line. */
function unfinishedTexts(lines: readonly string[]): readonly string[] {
  const ended = new Set(lines.flatMap((line) => (line.startsWith('end ') ? line.slice(4) : [])));
  return lines.flatMap((line) => (line.startsWith('begin ') && !ended.has(line.slice(6)) ? line.slice(6) : []));
}
