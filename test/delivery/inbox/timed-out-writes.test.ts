import { expect, test } from 'vitest';
import { TimedOutWrites } from '../../../src/delivery/inbox/timed-out-writes.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import { storeWith } from '../../kit/test-context.js';
import { untilIdle } from '../../kit/until-idle.js';

function setUp() {
  let now = 0;
  let isDown = false;
  const removed: string[] = [];
  const engine = embeddedEngine({ now: () => now });
  const timedOutWrites = new TimedOutWrites({
    store: storeWith({
      delete: async (kind, id) => {
        if (isDown) throw new Error('down');
        removed.push(`${kind} ${id}`);
      },
    }),
    engine,
    now: () => now,
  });
  const pass = async (milliseconds: number): Promise<void> => {
    now += milliseconds;
    engine.tick();
    await untilIdle();
  };
  const setDown = (value: boolean): void => void (isDown = value);
  return { timedOutWrites, removed, pass, setDown };
}

test('a timed-out event is removed after a minute, or a minute after that if the store was down', async () => {
  const { timedOutWrites, removed, pass, setDown } = setUp();
  timedOutWrites.add('e1');
  await pass(59_999);
  expect(removed).toEqual([]);
  setDown(true);
  await pass(1);
  setDown(false);
  await pass(59_999);
  expect(removed).toEqual([]);
  await pass(1);
  await pass(600_000);
  expect(removed).toEqual(['event e1']);
});

test('at most ten thousand events are remembered', async () => {
  const { timedOutWrites, removed, pass } = setUp();
  for (let index = 0; index < 10_001; index += 1) timedOutWrites.add(`e${index}`);
  await pass(60_000);
  expect(removed).toHaveLength(10_000);
});
