import { expect, onTestFinished, test } from 'vitest';
import { defineSubscriber, UnrecoverableEventError, type DeadLetter } from '../../../src/index.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { startHub } from '../../kit/start-hub.js';
import { until } from '../../kit/until.js';
import { untilSettled } from '../../kit/until-idle.js';

const DAY = 86_400_000;

test('a subscription that was forgotten and made again has another id, and old events do not attach to it', async () => {
  const world = new FakeWorld();
  const hub = await startHub();
  const topic = hub.topic('/feed', { body: 'what there is' });
  const target = { hub: hub.url, topic: topic.url };
  const received: string[] = [];
  const service = defineSubscriber(
    { name: 'News', secret: false, delivery: { deadLetters: { keepSeconds: 365 * 86_400 } } },
    {
      onEventNotification: (event) => {
        received.push(event.subscription.id);
        throw new UnrecoverableEventError('it cannot be processed');
      },
    },
  );
  const runtime = await world.start(service);
  onTestFinished(() => runtime.stopNow());
  const deadLetters = async (): Promise<readonly DeadLetter[]> => {
    const letters: DeadLetter[] = [];
    for await (const letter of runtime.deadLetters) letters.push(letter);
    return letters;
  };
  const first = await runtime.subscribe(service, { target });
  await runtime.ready();
  await topic.publish('one');
  await until(async () => (await deadLetters()).length === 1);
  const [letter] = await deadLetters();
  expect(letter).toMatchObject({ subscriptionId: first.id, event: { subscription: { id: first.id } } });

  await runtime.unsubscribe(first.id);
  await until(async () => (await runtime.subscriptions.get(first.id))?.state === 'unsubscribed');
  world.advance(31 * DAY);
  world.runCron('0 3 * * *');
  await until(async () => (await runtime.subscriptions.get(first.id)) === undefined);

  const second = await runtime.subscribe(service, { target });
  await runtime.ready();
  expect(second.id).not.toBe(first.id);
  expect(await deadLetters()).toMatchObject([{ id: letter?.id, subscriptionId: first.id, event: undefined }]);
  await runtime.deadLetters.replay(letter?.id ?? '');
  world.advance(10_000);
  await untilSettled(hub);
  expect(received).toEqual([first.id]);
  await topic.publish('two');
  await until(() => received.length === 2);
  expect(received).toEqual([first.id, second.id]);
});
