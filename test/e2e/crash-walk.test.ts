import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Subscription, SubscriberRuntime } from 'websub-subscriber';
import { TestHub, type HubFaults, type HubTopic } from 'websub-subscriber/testing';
import { compiledFixture } from '../kit/compiled-fixture.js';
import { runFile } from '../kit/example-process.js';
import { FakeWorld } from '../kit/fake-world.js';
import { DAY_MS, quiet } from '../kit/news-service.js';
import { deadPort, reader, until } from '../kit/world.js';

const dyingProcess = await compiledFixture('e2e/fixtures/dying-process.ts');

/** How a walk begins, and what is done on the way. */
interface Walk {
  readonly what: 'subscribe' | 'renew' | 'unsubscribe' | 'stop' | 'retry';
  readonly faults?: HubFaults;
  /** How many steps it has at least: a walk that has fewer goes past something. */
  readonly atLeast: number;
}

/** What is left of one process, and where another takes it up. */
interface Scene {
  readonly hub: TestHub;
  readonly topic: HubTopic;
  /** A directory. */
  readonly store: string;
  readonly port: number;
}

const callbacks = (hub: TestHub): ReadonlySet<string | null> =>
  new Set(hub.requests.flatMap(({ method, form }) => (method === 'POST' ? form.get('hub.callback') : [])));

async function settle(hub: TestHub): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    await quiet();
    await hub.settled();
  }
}

/** Runs the service in this process on what is left, without a fault. */
async function takeUp(
  { topic, store, port }: Scene,
  world: FakeWorld,
): Promise<{
  readonly runtime: SubscriberRuntime;
  readonly got: readonly string[];
  seen: () => Promise<Subscription>;
}> {
  const { service, got } = reader({ target: topic.url, unsubscribeOnShutdown: false });
  const runtime = await world.start(service, { port, store: `lmdb://${store}` });
  const seen = async (): Promise<Subscription> => {
    const [subscription, ...others] = await runtime.subscriptions.find();
    if (subscription === undefined || others.length > 0) throw new Error('there is not one subscription');
    return subscription;
  };
  return { runtime, got, seen };
}

/** What the walk begins from. */
async function prepare(scene: Scene, what: Walk['what']): Promise<void> {
  if (what === 'subscribe') return;
  const { runtime, seen } = await takeUp(scene, new FakeWorld(Date.now()));
  await runtime.ready({ timeoutMs: 5_000 });
  await settle(scene.hub);
  if (what === 'retry') {
    await runtime.unsubscribe((await seen()).id);
    await scene.hub.unsubscribed();
    await settle(scene.hub);
  }
  await runtime.stopNow();
}

/** @returns how many steps there are where the process got to the end, else where it died */
async function die(
  scene: Scene,
  { what }: Walk,
  step: number,
): Promise<{ at: string; whole?: number; resolved: boolean }> {
  const ahead = what === 'renew' ? 8 * DAY_MS + 1_000 : 0;
  await using child = runFile(dyingProcess, {
    env: {
      TARGET: scene.topic.url,
      STORE: scene.store,
      PORT: String(scene.port),
      AHEAD_MS: String(ahead),
      DIE_AT: String(step),
      DO: what,
    },
  });
  const end = await child.ended;
  const output = child.output();
  if (end.signal !== 'SIGKILL') throw new Error(`the process ended by itself: ${output}`);
  const whole = /whole: (\d+) steps/.exec(output)?.[1];
  const at = /died at (.*)/.exec(output)?.[1] ?? 'its end';
  return { at, resolved: output.includes('resolved'), ...(whole === undefined ? {} : { whole: Number(whole) }) };
}

/** Time passes until what was under way is over, whatever its process had done of it. */
async function recover(scene: Scene, walk: Walk, at: string, resolved: boolean): Promise<void> {
  const { hub, topic } = scene;
  const world = new FakeWorld(Date.now() + (walk.what === 'renew' ? 8 * DAY_MS + 2_000 : 0));
  const { runtime, got, seen } = await takeUp(scene, world);
  try {
    const isReached = async (): Promise<boolean> => {
      const { desired, state } = await seen();
      const isWanted = desired === 'subscribed';
      return state === (isWanted ? 'active' : 'unsubscribed') && (!isWanted || isActive(hub));
    };
    await until(async () => {
      await settle(hub);
      if (await isReached()) return true;
      world.pass(2_000);
      return false;
    });
    const { desired, state, callback } = await seen();
    await topic.publish('news');
    const isWanted = desired === 'subscribed';
    const found = {
      at,
      isWanted,
      state,
      got,
      // At the hub there is one subscription, under the one callback that it was ever told of.
      callbacks: [...callbacks(hub)],
      atHub: hub.subscriptions.map((one) => one.state),
      violations: hub.violations,
    };
    expect(found).toEqual({
      at,
      isWanted: walk.what === 'unsubscribe' ? isWanted && !resolved : walk.what !== 'retry' || isWanted || resolved,
      state: isWanted ? 'active' : 'unsubscribed',
      got: isWanted ? ['news'] : [],
      callbacks: [callback],
      // A hub that missed the answer to its verification learns from the 410 that it is over.
      atHub: [isWanted ? 'active' : expect.stringMatching(/^(unsubscribed|gone)$/)],
      violations: [],
    });
    if (!isWanted) return;
    // It is renewed in its time.
    world.pass(9 * DAY_MS);
    await until(async () => (await seen()).verifiedAt?.getTime() === world.now);
  } finally {
    await runtime.stopNow();
  }
}

const isActive = (hub: TestHub): boolean => hub.subscriptions.some(({ state }) => state === 'active');

async function walkTo(walk: Walk, step: number, directory: string): Promise<number | undefined> {
  await using hub = await TestHub.start({ ...walk.faults });
  const topic = hub.topic('/feed');
  const store = join(directory, `${walk.what}-${step}`);
  const scene = { hub, topic, store, port: await deadPort() };
  await prepare(scene, walk.what);
  const { at, whole, resolved } = await die(scene, walk, step);
  await settle(hub);
  await recover(scene, walk, `${walk.what}, ${at}`, resolved);
  return whole;
}

describe('S2 L4 a process that is killed at any step', () => {
  const walks: readonly Walk[] = [
    { what: 'subscribe', atLeast: 16 },
    { what: 'subscribe', faults: { verify: 'sync' }, atLeast: 16 },
    { what: 'renew', atLeast: 12 },
    { what: 'unsubscribe', atLeast: 8 },
    { what: 'stop', atLeast: 8 },
    { what: 'retry', atLeast: 12 },
  ];

  it.each(walks)(
    '$what $faults: what was wanted is there after the next start, once, under the same callback',
    async (walk) => {
      const directory = await mkdtemp(join(tmpdir(), 'websub-crash-'));
      try {
        let whole: number | undefined;
        // Two at a time: a process takes its time to start.
        for (let step = 1; whole === undefined; step += 2) {
          const walked = await Promise.allSettled([walkTo(walk, step, directory), walkTo(walk, step + 1, directory)]);
          for (const each of walked) {
            if (each.status === 'rejected') throw each.reason;
            whole ??= each.value;
          }
        }
        expect(whole).toBeGreaterThanOrEqual(walk.atLeast);
      } finally {
        await rm(directory, { recursive: true });
      }
    },
    180_000,
  );
});
