import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { HubTopic } from 'websub-subscriber/testing';
import { requestBytes } from '../../bench/delivery-request.js';
import { hostileFeeds } from '../feeds.js';
import { flood } from '../flood.js';
import { fixed, MIB, type Scenario } from '../scenario.js';
import { withVictim, type Scene } from '../with-victim.js';

/** Bytes: close to the largest allowed body, and a body small enough to be parsed synchronously. */
const LARGE_BYTES = 9.5 * MIB;
const SMALL_BYTES = 60 * 1024;

/**
 * Poll interval, and the number of topics with a hostile feed at the same time. A larger group would measure the
 * transfer.
 */
const FULL_SIZE = { pollSeconds: 3, group: 4 };
const SCALED = { pollSeconds: 1, group: 20 };

/** Milliseconds to wait until all feeds are parsed. */
const TIMEOUT_MS = 600_000;

/** Feed names. The large feeds run first, then the small ones, both in this order. */
const NAMES = Object.keys(hostileFeeds);

export const feedsScenario: Scenario = {
  name: 'hostile-feeds',
  what: 'twenty feeds of 9.5 MiB and twenty of 60 KiB, each pushed twice and polled, four of them caught up with after a restart',
  bounds: [
    ...NAMES.map((name) => ({ figure: `blocks: ${name}`, unit: 'ms', most: fixed(50) })),
    { figure: 'blocks: restart', unit: 'ms', most: fixed(50) },
    { figure: 'not accepted', unit: '', most: fixed(0) },
    { figure: 'not handled', unit: '', most: fixed(0) },
    { figure: 'duplicates', unit: '', most: fixed(0) },
  ],
  async run(attack) {
    const sizes = [LARGE_BYTES * attack.scale, SMALL_BYTES];
    const bodies = sizes.flatMap((bytes) => Object.values(hostileFeeds).map((feed) => Buffer.from(feed(bytes))));
    const { pollSeconds, group: groupSize } = attack.scale < 1 ? SCALED : FULL_SIZE;
    const delivery = { dedupe: 'entries', pollSeconds } as const;
    const directory = await mkdtemp(join(tmpdir(), 'websub-hostile-'));
    const setup = { topics: bodies.length, delivery, directory, isReading: true };
    const outcome = withVictim(attack, setup, async (scene) => {
      const { victim, port, handles } = scene;
      const requests = bodies.map((body, index) =>
        requestBytes(victim.callbacks[index] ?? scene.callback, { 'content-type': 'application/xml' }, body),
      );
      const figures: Record<string, number> = {};
      const noteBlocks = async (names: readonly string[]): Promise<void> => {
        const blockMs = await victim.lap();
        for (const name of names) {
          const figure = `blocks: ${name}`;
          figures[figure] = Math.max(figures[figure] ?? 0, blockMs);
        }
      };
      const namesOf = (from: number, count: number): readonly string[] =>
        handles.slice(from, from + count).map((_, index) => NAMES[(from + index) % NAMES.length] ?? '');
      let accepted = 0;
      for (const [index, request] of requests.entries()) {
        const statuses = await flood({ port, count: 2, connections: 1, request: () => request });
        accepted += statuses.get(202) ?? 0;
        await until(async () => (await victim.counts()).handled > index);
        await noteBlocks(namesOf(index, 1));
      }
      for (let from = 0; from < handles.length; from += groupSize) {
        const group = handles.slice(from, from + groupSize);
        for (const [index, handle] of group.entries()) handle.configure({ body: bodies[from + index] });
        await untilPolled(scene, group);
        await noteBlocks(namesOf(from, groupSize));
        // The first group is also fetched again after a restart.
        if (from === 0) {
          await victim.restart();
          await noteBlocks(['restart']);
          await untilPolled(scene, group);
          await noteBlocks(namesOf(from, groupSize));
        }
        for (const handle of group) handle.configure({ body: '' });
      }
      const { events, pushed, handled } = await victim.counts();
      await victim.stop();
      return {
        ...figures,
        'not accepted': 2 * requests.length - accepted,
        'not handled': events - handled,
        duplicates: Math.max(0, pushed - requests.length),
      };
    });
    try {
      return await outcome;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

/** Waits until each topic was fetched twice more. By then the first of these bodies has been parsed. */
async function untilPolled({ hub }: Scene, topics: readonly HubTopic[]): Promise<void> {
  const from = hub.requests.length;
  const fetchCount = (topic: HubTopic): number =>
    hub.requests.slice(from).filter(({ method, path }) => method === 'GET' && topic.url.endsWith(path)).length;
  await until(() => topics.every((topic) => fetchCount(topic) >= 2));
}

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedAt = performance.now(); !(await isDone()); await pause(100)) {
    if (performance.now() - startedAt > TIMEOUT_MS) throw new Error('The service under attack does not get done');
  }
}
