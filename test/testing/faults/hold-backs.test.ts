import { expect, test } from 'vitest';
import { plainSubscriber, subscribe } from '../../kit/plain-subscriber.js';
import { startHub } from '../../kit/start-hub.js';
import { macrotasks } from '../../kit/until-idle.js';

/** Whether the work is still pending after all runnable tasks have run. */
async function isOpen(work: Promise<unknown>): Promise<boolean> {
  await macrotasks(20);
  return (await Promise.race([work, Promise.resolve('open')])) === 'open';
}

test('a held-back verification waits until it is released, and content does not wait', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { origin, requests } = await plainSubscriber();
  await subscribe(hub, topic, `${origin}/one`);
  const release = hub.holdBack('verification');
  const response = subscribe(hub, topic, `${origin}/two`);
  await hub.until(() => hub.subscriptions.length === 2);
  expect(await isOpen(response)).toBe(true);
  expect(await topic.publish('news')).toMatchObject([{ callback: `${origin}/one` }]);
  expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
  release();
  expect((await response).status).toBe(202);
  expect(await topic.publish('more')).toHaveLength(2);
});

test("holdBack('verification') also holds back a denial", async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  const release = hub.holdBack('verification');
  const denial = hub.deny('no');
  expect(await isOpen(denial)).toBe(true);
  release();
  expect(await denial).toMatchObject([{ status: 202 }]);
});

test('held-back content keeps its signature', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback, requests } = await plainSubscriber();
  await subscribe(hub, topic, callback, { 'hub.secret': 'old' });
  const firstDeliveries = await topic.publish('news');
  const release = hub.holdBack('content');
  const heldBackPublish = topic.publish('news');
  expect(await isOpen(heldBackPublish)).toBe(true);
  await subscribe(hub, topic, callback, { 'hub.secret': 'new' });
  release();
  await heldBackPublish;
  const signatures = requests.flatMap(({ headers }) => headers['x-hub-signature'] ?? []);
  expect(signatures).toEqual([1, 2].map(() => firstDeliveries[0]?.sent.headers['x-hub-signature']));
});

test('responses to requests and to a GET of a topic are held back', async () => {
  const hub = await startHub({ verify: 'never' });
  const topic = hub.topic('/feed');
  const releases = [hub.holdBack('answer'), hub.holdBack('topic')];
  const answers = Promise.all([subscribe(hub, topic, 'http://127.0.0.1:9/'), fetch(topic.url)]);
  await hub.until(({ requests }) => requests.length === 2);
  expect(hub.subscriptions).toMatchObject([{ state: 'pending' }]);
  expect(await isOpen(answers)).toBe(true);
  for (const release of releases) release();
  expect((await answers).map(({ status }) => status)).toEqual([202, 200]);
});

test('each hold-back is released separately, and releasing twice has no effect', async () => {
  const hub = await startHub();
  const topic = hub.topic('/feed');
  const [releaseFirst, releaseSecond] = [hub.holdBack('topic'), hub.holdBack('topic')];
  const answer = fetch(topic.url);
  await hub.until(({ requests }) => requests.length === 1);
  releaseFirst();
  releaseFirst();
  expect(await isOpen(answer)).toBe(true);
  releaseSecond();
  expect((await answer).status).toBe(200);
});

test('closing a hub aborts everything that is held back', async () => {
  const hub = await startHub({ verify: 'sync' });
  const topic = hub.topic('/feed');
  const { callback } = await plainSubscriber();
  await subscribe(hub, topic, callback);
  for (const kind of ['answer', 'verification', 'content', 'topic'] as const) hub.holdBack(kind);
  const subscriptionKey = { topic: topic.self, callback };
  const [content, verification] = [topic.publish('news'), hub.verify(subscriptionKey)];
  const answer = subscribe(hub, topic, callback).catch((error: unknown) => error);
  const topicAnswer = fetch(topic.url).catch((error: unknown) => error);
  await hub.until(({ requests }) => requests.length === 3);
  await hub.close();
  expect((await content)[0]?.error?.cause).toHaveProperty('name', 'AbortError');
  expect((await verification).error?.cause).toHaveProperty('name', 'AbortError');
  expect([await answer, await topicAnswer].every((result) => result instanceof Error)).toBe(true);
});
