import { expect, test, vi } from 'vitest';
import { setUp } from './inbox-set-up.js';
import { storedEvent } from '../message/event-fixtures.js';

test('a run that fails in our own code is retried like a failed handler', async () => {
  const runs: number[] = [];
  const { inbox, world, pass } = await setUp(async ({ retry }) => {
    runs.push(retry.attempts);
    if (runs.length === 1) throw new TypeError('our own mistake');
    return { type: 'done', acknowledgement: undefined };
  });
  await inbox.enqueue(storedEvent);
  await vi.waitFor(() => expect(world.logged('event.retry-scheduled')).toHaveLength(1));
  pass(3_600_000);
  await vi.waitFor(() => expect(inbox.loadOf('news').events).toBe(0));
  expect(runs).toEqual([0, 1]);
});
