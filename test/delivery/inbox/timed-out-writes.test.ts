import { expect, test } from 'vitest';
import { TimedOutWrites } from '../../../src/delivery/inbox/timed-out-writes.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import { quiet } from '../../kit/news-service.js';

function setUp() {
  let now = 0;
  let isDown = false;
  const removed: string[] = [];
  const engine = embeddedEngine({ now: () => now });
  const withdrawals = new TimedOutWrites({
    store: {
      delete: async (kind, id) => {
        if (isDown) throw new Error('down');
        removed.push(`${kind} ${id}`);
      },
    },
    engine,
    now: () => now,
  });
  const pass = async (milliseconds: number): Promise<void> => {
    now += milliseconds;
    engine.tick();
    await quiet();
  };
  const setDown = (value: boolean): void => void (isDown = value);
  return { withdrawals, removed, pass, setDown };
}

test('what was refused is removed a minute later, and a minute after that where the store is down', async () => {
  const { withdrawals, removed, pass, setDown } = setUp();
  withdrawals.add('e1');
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

test('no more than ten thousand are remembered', async () => {
  const { withdrawals, removed, pass } = setUp();
  for (let index = 0; index < 10_001; index += 1) withdrawals.add(`e${index}`);
  await pass(60_000);
  expect(removed).toHaveLength(10_000);
});
