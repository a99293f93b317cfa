import { TestHub, type HubTopic } from 'websub-subscriber/testing';
import type { Attack } from './scenario.js';
import type { Setup } from './subject/subject.js';
import { startVictim, type Victim } from './victim.js';

/** A service that is subscribed at a hub of its own. */
export interface Scene {
  readonly victim: Victim;
  /** Topic URLs. */
  readonly topics: readonly string[];
  readonly port: number;
  /** The first topic's callback. */
  readonly callback: URL;
  readonly hub: TestHub;
  /** One for each topic. */
  readonly handles: readonly HubTopic[];
}

/** How the scene is set. */
export interface SceneOptions extends Omit<Setup, 'targets'> {
  /** @default 1 */
  readonly topics?: number;
  /** Whether the lines of the service are read. @default true */
  readonly isRead?: boolean;
}

/** Runs `work` with a service in a process of its own, and ends it. */
export async function withVictim<T>(
  { subject }: Attack,
  { topics: count = 1, isRead = true, ...setup }: SceneOptions,
  work: (scene: Scene) => Promise<T>,
): Promise<T> {
  await using hub = await TestHub.start();
  const handles = Array.from({ length: count }, (_, index) => hub.topic(`/topic/${index}`));
  const topics = handles.map(({ url }) => url);
  const victim = await startVictim(subject, { ...setup, targets: topics }, { isRead });
  try {
    const [callback] = victim.callbacks;
    if (callback === undefined) throw new Error('The service has no callback');
    return await work({ victim, topics, port: Number(callback.port), callback, hub, handles });
  } finally {
    victim.kill();
  }
}
