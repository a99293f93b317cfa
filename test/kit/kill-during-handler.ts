import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import type { HubTopic, TestHub } from 'websub-subscriber/testing';
import { temporaryDirectory } from './temporary-directory.js';

/**
 * Kills a subscriber in its own process while its handler runs for the event `still here`.
 *
 * @returns `handlerCall`: the id and the attempt that the handler got
 */
export async function killDuringHandler(
  hub: TestHub,
  mode: 'inline' | 'queued',
): Promise<{ readonly topic: HubTopic; readonly store: string; readonly handlerCall: object }> {
  const topic = hub.topic('/feed');
  const store = `lmdb://${temporaryDirectory()}`;
  const path = fileURLToPath(new URL('../e2e/fixtures/sleeping-subscriber.ts', import.meta.url));
  const child = fork(path, [topic.url, store, mode], { execArgv: ['--import', '@oxc-node/core/register'] });
  const handlerCalled = once(child, 'message');
  const exited = once(child, 'exit');
  onTestFinished(() => void child.kill('SIGKILL'));
  await hub.verified(topic, { timeoutMs: 30_000 });
  const [delivery] = await topic.publish('still here');
  expect(delivery?.status).toBe(202);
  const [handlerCall] = await handlerCalled;
  child.kill('SIGKILL');
  await exited;
  return { topic, store, handlerCall };
}
