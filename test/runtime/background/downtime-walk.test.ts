import { expect, onTestFinished, test } from 'vitest';
import { DowntimeWalk } from '../../../src/runtime/background/downtime-walk.js';
import { Liveness } from '../../../src/runtime/background/liveness.js';
import { deliveryWithDefaults } from '../../../src/runtime/config/checks/service-checks.js';
import { embeddedEngine } from '../../../src/engine/embedded-engine.js';
import { openStore } from '../../../src/store/open-store.js';
import { Registry } from '../../../src/subscription/registry/registry.js';
import { recordingLogger } from '../../kit/recording-logger.js';
import { servicesWith, testContext } from '../../kit/test-context.js';
import { active, DAY, START } from '../../subscription/machine/subscription-machine.js';
import { POLICY } from '../../subscription/registry/registry-world.js';

const MINUTE = 60_000;

/** A process that starts a day after the last heartbeat of a process with so many active subscriptions. */
async function setUp(count: number) {
  let now = START + DAY;
  const store = await openStore('memory');
  onTestFinished(() => store.close());
  const engine = embeddedEngine({ now: () => now });
  const news = {
    name: 'News',
    handlers: { onEventNotification: () => {} },
    delivery: deliveryWithDefaults({}, 'failover'),
  };
  const context = testContext({
    store,
    engine,
    logger: recordingLogger(),
    now: () => now,
    services: servicesWith({ names: ['News'], get: () => news, policyOf: () => POLICY }),
  });
  const registry = new Registry(context);
  const { record } = active('8640000');
  for (let index = 0; index < count; index += 1) {
    const grants = record.grants.map((grant) => ({ ...grant, id: `g${index}`, path: `${index}`.padStart(43, '_') }));
    const callbacks = grants.map((grant) => ({ ...grant, callback: POLICY.callbackOf(grant.path) }));
    await registry.add({ ...record, id: `s${index}`, target: `https://t.example/${index}`, grants: callbacks });
  }
  await store.set('alive', 'runtime', { v: 1, data: { services: [['News', START + 1_000]] } });
  const liveness = new Liveness(context, registry);
  await liveness.load();
  const walk = new DowntimeWalk(context, registry, liveness);
  const plans = (): readonly number[] =>
    [...registry.all()].flatMap(({ record: { catchUp, gapSince } }) => {
      if (catchUp?.at === undefined) return [];
      expect(gapSince).toBe(START + 1_000);
      return catchUp.at - now;
    });
  const pass = (milliseconds: number): void => {
    now += milliseconds;
    engine.tick();
  };
  /** When the next process would say that the service was last alive. */
  const aliveUntil = async (): Promise<number | undefined> => {
    await liveness.writeHeartbeat();
    const next = new Liveness(context, registry);
    await next.load();
    return next.aliveUntil('News');
  };
  await liveness.start();
  return { registry, context, walk, plans, pass, aliveUntil, now: () => now };
}

test('L3 L4 after a downtime, a few catch-ups are planned at once, and the heartbeat goes on', async () => {
  const { walk, plans, aliveUntil, now } = await setUp(3);
  await walk.begin();
  expect(plans()).toEqual([10, 20, 30]);
  expect(await aliveUntil()).toBe(now());
});

test('L4 many catch-ups are planned in batches, and until then the heartbeat stays where it was', async () => {
  const { walk, plans, pass, aliveUntil, now } = await setUp(2_500);
  await walk.begin();
  expect(plans()).toHaveLength(1_000);
  expect(Math.max(...plans())).toBeLessThanOrEqual(20_000);
  pass(19_000);
  expect(plans()).toHaveLength(1_000);
  expect(await aliveUntil()).toBe(START + 1_000);
  pass(1_000);
  expect(plans()).toHaveLength(2_000);
  expect(await aliveUntil()).toBe(START + 1_000);
  pass(20_000);
  expect(plans()).toHaveLength(2_500);
  expect(await aliveUntil()).toBe(now());
});

test('a walk begins again after another downtime', async () => {
  const { walk, plans, pass } = await setUp(1_500);
  await walk.begin();
  pass(MINUTE / 4);
  await walk.begin();
  expect(plans()).toHaveLength(1_500);
});

test('a walk that begins again plans no batch of the walk before', async () => {
  const { walk, plans, pass, aliveUntil, now } = await setUp(2_500);
  await walk.begin();
  const again = walk.begin();
  pass(20_000);
  pass(20_000);
  expect(plans()).toHaveLength(1_000);
  await again;
  expect(plans()).toHaveLength(2_000);
  expect(await aliveUntil()).toBe(START + 1_000);
  pass(20_000);
  expect(plans()).toHaveLength(2_500);
  expect(await aliveUntil()).toBe(now());
});

test('of two walks that begin together, the second one plans', async () => {
  const { walk, plans, aliveUntil } = await setUp(1_500);
  await Promise.all([walk.begin(), walk.begin()]);
  expect(plans()).toHaveLength(1_000);
  expect(await aliveUntil()).toBe(START + 1_000);
});

test('no batch is planned once the runtime stops, and the heartbeat stays', async () => {
  const { context, walk, plans, pass, aliveUntil } = await setUp(1_500);
  await walk.begin();
  context.closing.begin();
  pass(MINUTE);
  expect(plans()).toHaveLength(1_000);
  expect(await aliveUntil()).toBe(START + 1_000);
});
