import { TestHub, type HubTopic } from 'websub-subscriber/testing';
import type { Attack } from './scenario.js';
import type { Setup } from './subject/subject.js';
import { startVictim, type Victim } from './victim.js';

/** A service that is subscribed at its own hub. */
export interface Scene {
  readonly victim: Victim;
  /** The topic URLs. */
  readonly topics: readonly string[];
  readonly port: number;
  /** The callback of the first topic. */
  readonly callback: URL;
  readonly hub: TestHub;
  /** One handle per topic. */
  readonly handles: readonly HubTopic[];
}

/** Options of the service. */
export interface SceneOptions extends Omit<Setup, 'targets'> {
  /** Number of topics. @default 1 */
  readonly topics?: number;
  /** Whether the service's output is read. @default true */
  readonly isRead?: boolean;
}

/** Runs `work` with a service in a child process, and kills the process afterwards. */
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
