import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Subscription, SubscriberRuntime } from 'websub-subscriber';
import { TestHub, type HubFaults, type HubTopic } from 'websub-subscriber/testing';
import { compiledFixture } from '../../kit/compiled-fixture.js';
import { runFile } from '../../kit/example-process.js';
import { FakeWorld } from '../../kit/fake-world.js';
import { DAY_MS } from '../../kit/durations.js';
import { untilIdle } from '../../kit/until-idle.js';
import { unusedPort } from '../../kit/ports.js';
import { recordingService } from '../../kit/recording-service.js';
import { until } from '../../kit/until.js';
import { temporaryDirectory } from '../../kit/temporary-directory.js';
import { onlySubscription } from '../../kit/only-subscription.js';

const dyingProcess = await compiledFixture('e2e/fixtures/dying-process.ts');

/** An action that a process performs in steps, and the faults of its hub. */
interface Walk {
  readonly action: 'subscribe' | 'renew' | 'unsubscribe' | 'stop' | 'retry';
  readonly faults?: HubFaults;
  /** Minimum number of steps. An action with fewer steps skips something. */
  readonly atLeast: number;
}

/** The state that a killed process leaves for the next one. */
interface Scene {
  readonly hub: TestHub;
  readonly topic: HubTopic;
  /** A directory. */
  readonly store: string;
  readonly port: number;
}

const callbacksSentTo = (hub: TestHub): ReadonlySet<string | null> =>
  new Set(hub.requests.flatMap(({ method, form }) => (method === 'POST' ? form.get('hub.callback') : [])));

async function settle(hub: TestHub): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    await untilIdle();
    await hub.settled();
  }
}

/** Runs the service in this process on that state, without a fault. */
async function resume(
  { topic, store, port }: Scene,
  world: FakeWorld,
): Promise<{
  readonly runtime: SubscriberRuntime;
  readonly received: readonly string[];
  currentSubscription: () => Promise<Subscription>;
}> {
  const { service, received } = recordingService({ target: topic.url, unsubscribeOnShutdown: false });
  const runtime = await world.start(service, { port, store: `lmdb://${store}` });
  const currentSubscription = (): Promise<Subscription> => onlySubscription(runtime);
  return { runtime, received, currentSubscription };
}

/** Prepares the state that the walk starts from. */
async function prepare(scene: Scene, action: Walk['action']): Promise<void> {
  if (action === 'subscribe') return;
  const { runtime, currentSubscription } = await resume(scene, new FakeWorld(Date.now()));
  await runtime.ready({ timeoutMs: 5_000 });
  await settle(scene.hub);
  if (action === 'retry') {
    await runtime.unsubscribe((await currentSubscription()).id);
    await scene.hub.unsubscribed();
    await settle(scene.hub);
  }
  await runtime.stopNow();
}

/**
 * Runs the action in a process that kills itself at a step.
 *
 * @returns `at`: that step; `stepCount`: the number of all steps, if the process reached its end; `isResolved`: whether
 *   the user's call resolved
 */
async function runUntilKilled(
  scene: Scene,
  { action }: Walk,
  step: number,
): Promise<{ at: string; stepCount?: number; isResolved: boolean }> {
  const aheadMs = action === 'renew' ? 8 * DAY_MS + 1_000 : 0;
  await using child = runFile(dyingProcess, {
    env: {
      TARGET: scene.topic.url,
      STORE: scene.store,
      PORT: String(scene.port),
      AHEAD_MS: String(aheadMs),
      DIE_AT: String(step),
      DO: action,
    },
  });
  const end = await child.ended;
  const output = child.output();
  if (end.signal !== 'SIGKILL') throw new Error(`the process ended by itself: ${output}`);
  const stepCount = /whole: (\d+) steps/.exec(output)?.[1];
  const at = /died at (.*)/.exec(output)?.[1] ?? 'its end';
  return {
    at,
    isResolved: output.includes('resolved'),
    ...(stepCount === undefined ? {} : { stepCount: Number(stepCount) }),
  };
}

/** Lets time pass until the interrupted action is complete, and checks the result. */
async function recover(scene: Scene, walk: Walk, at: string, isResolved: boolean): Promise<void> {
  const { hub, topic } = scene;
  const world = new FakeWorld(Date.now() + (walk.action === 'renew' ? 8 * DAY_MS + 2_000 : 0));
  const { runtime, received, currentSubscription } = await resume(scene, world);
  try {
    const isReached = async (): Promise<boolean> => {
      const { desired, state } = await currentSubscription();
      const isWanted = desired === 'subscribed';
      return state === (isWanted ? 'active' : 'unsubscribed') && (!isWanted || isActive(hub));
    };
    await until(async () => {
      await settle(hub);
      if (await isReached()) return true;
      world.advance(2_000);
      return false;
    });
    const { desired, state, callback } = await currentSubscription();
    await topic.publish('news');
    const isWanted = desired === 'subscribed';
    const actual = {
      at,
      isWanted,
      state,
      received,
      // The hub has one subscription, with the one callback it was ever sent.
      callbacks: [...callbacksSentTo(hub)],
      atHub: hub.subscriptions.map(({ state: stateAtHub }) => stateAtHub),
      violations: hub.violations,
    };
    expect(actual).toEqual({
      at,
      isWanted:
        walk.action === 'unsubscribe' ? isWanted && !isResolved : walk.action !== 'retry' || isWanted || isResolved,
      state: isWanted ? 'active' : 'unsubscribed',
      received: isWanted ? ['news'] : [],
      callbacks: [callback],
      // A hub that missed the answer to its verification learns from the 410 that the subscription has ended.
      atHub: [isWanted ? 'active' : expect.stringMatching(/^(unsubscribed|gone)$/)],
      violations: [],
    });
    if (!isWanted) return;
    // The subscription is still renewed in time.
    world.advance(9 * DAY_MS);
    await until(async () => (await currentSubscription()).verifiedAt?.getTime() === world.now);
  } finally {
    await runtime.stopNow();
  }
}

const isActive = (hub: TestHub): boolean => hub.subscriptions.some(({ state }) => state === 'active');

async function walkTo(walk: Walk, step: number, directory: string): Promise<number | undefined> {
  await using hub = await TestHub.start({ ...walk.faults });
  const topic = hub.topic('/feed');
  const store = join(directory, `${walk.action}-${step}`);
  const scene = { hub, topic, store, port: await unusedPort() };
  await prepare(scene, walk.action);
  const { at, stepCount, isResolved } = await runUntilKilled(scene, walk, step);
  await settle(hub);
  await recover(scene, walk, `${walk.action}, ${at}`, isResolved);
  return stepCount;
}

describe('S2 L4 after a process is killed at any step', () => {
  const walks: readonly Walk[] = [
    { action: 'subscribe', atLeast: 16 },
    { action: 'subscribe', faults: { verify: 'sync' }, atLeast: 16 },
    { action: 'renew', atLeast: 12 },
    { action: 'unsubscribe', atLeast: 8 },
    { action: 'stop', atLeast: 8 },
    { action: 'retry', atLeast: 12 },
  ];

  it.each(walks)(
    'of $action (hub faults: $faults), the next start reaches the desired state with the same callback',
    async (walk) => {
      const directory = temporaryDirectory();
      let stepCount: number | undefined;
      // Two at a time, because a process takes long to start.
      for (let step = 1; stepCount === undefined; step += 2) {
        const results = await Promise.allSettled([walkTo(walk, step, directory), walkTo(walk, step + 1, directory)]);
        for (const result of results) {
          if (result.status === 'rejected') throw result.reason;
          stepCount ??= result.value;
        }
      }
      expect(stepCount).toBeGreaterThanOrEqual(walk.atLeast);
    },
    180_000,
  );
});
