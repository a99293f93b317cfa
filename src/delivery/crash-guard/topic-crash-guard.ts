import type { EngineContext } from '../../engine/engine-context.js';
import { log, type LogFields } from '../../log-events.js';
import type { SubscriptionRecord } from '../../subscription/record/record.js';
import { MAX_CRASHES, type CrashMarkers } from './crash-markers.js';
import type { SuspectLock } from './suspect-lock.js';

const PREFIX = 'topic.';
const START = 'start';

/** Milliseconds after the start during which fetches are marked. */
const MARKED_FOR_MS = 60_000;

/** The outcome of a fetch. `'busy'`: another suspect runs, retry soon. `'skipped'`: not fetched until a renewal. */
export type GuardedFetch = 'ended' | 'busy' | 'skipped';

/**
 * Marks catch-ups and polls that begin within a minute of the start. A topic whose marker was found at start is a
 * suspect and is fetched only while no other suspect runs. After three crashes it is skipped until its subscription is
 * renewed.
 */
export class TopicCrashGuard {
  readonly #context: EngineContext;
  readonly #markers: CrashMarkers;
  readonly #lock: SuspectLock;
  /** Subscriptions whose topic was skipped and that have not been renewed since. */
  readonly #skipped = new Set<string>();
  readonly #renewed = new Set<string>();
  #startedAt: number | undefined;

  constructor(context: EngineContext, markers: CrashMarkers, lock: SuspectLock) {
    const { engine, now } = context;
    this.#context = context;
    this.#markers = markers;
    this.#lock = lock;
    // Due at the engine's first tick, which may be long after this process began to load.
    const started = engine.timetable('topic-crash-guard', () => {
      this.#startedAt = now();
    });
    started.set(START, now());
  }

  /** Called once all subscriptions are loaded. Removes the markers of other subscriptions. */
  onLoaded(exists: (subscriptionId: string) => boolean): void {
    const staleKeys = this.#markers.suspects.filter(
      (key) => key.startsWith(PREFIX) && !exists(key.slice(PREFIX.length)),
    );
    this.#markers.forget(staleKeys);
  }

  /** Fetches a topic, with a marker if it needs one. */
  async run({ id, service }: SubscriptionRecord, topic: string, fetch: () => Promise<void>): Promise<GuardedFetch> {
    const { now } = this.#context;
    const key = PREFIX + id;
    const crashes = this.#markers.crashesOf(key);
    if (crashes >= MAX_CRASHES && !this.#renewed.has(id)) {
      this.#skip({ subscription: id, service, topic, crashes });
      return 'skipped';
    }
    if (crashes === 0 && now() - (this.#startedAt ?? now()) > MARKED_FOR_MS) {
      await fetch();
      return 'ended';
    }
    if (crashes > 0 && !this.#lock.tryAcquire(key)) return 'busy';
    try {
      await this.#markers.begin(key);
      await fetch();
    } finally {
      // A fetch interrupted by a stop proves nothing, so earlier crashes still count.
      await this.#markers.end(key, !this.#markers.isStopped);
      this.#lock.release(key);
    }
    return 'ended';
  }

  /** Lets the topic be fetched again. @returns whether it was skipped until now */
  onRenewed(id: string): boolean {
    if (this.#markers.crashesOf(PREFIX + id) < MAX_CRASHES) return false;
    this.#renewed.add(id);
    return this.#skipped.delete(id);
  }

  #skip(fields: LogFields<'topic.suspended'>): void {
    if (this.#skipped.has(fields.subscription)) return;
    this.#skipped.add(fields.subscription);
    log(this.#context.logger, 'topic.suspended', fields);
  }
}
