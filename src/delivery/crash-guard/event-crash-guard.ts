import type { EngineContext } from '../../engine/engine-context.js';
import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { MAX_CRASHES, type CrashMarkers } from './crash-markers.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import type { Suspects } from '../inbox/concurrency-limiter.js';
import type { SuspectLock } from './suspect-lock.js';

const PREFIX = 'event.';

/**
 * Marks the first run of each event that was in the store at start. An event whose marker was found at start is a
 * suspect. Only one suspect runs at a time, and each of its runs is marked until it succeeds. After three crashes it
 * does not run at all. Other runs write no marker.
 */
export class EventCrashGuard implements Suspects {
  readonly #logger: Logger;
  readonly #markers: CrashMarkers;
  readonly #lock: SuspectLock;
  /** Events that were in the store at start and have not run since. */
  readonly #notYetRun = new Set<string>();

  constructor({ logger }: Pick<EngineContext, 'logger'>, markers: CrashMarkers, lock: SuspectLock) {
    this.#logger = logger;
    this.#markers = markers;
    this.#lock = lock;
  }

  /** Registers an event that was in the store at start, including a dead letter. */
  addStored(id: string): void {
    this.#notYetRun.add(id);
  }

  /** Called once all stored events are registered. Removes the markers of other events. */
  onLoaded(): void {
    const keys = this.#markers.suspects.filter((key) => key.startsWith(PREFIX));
    const staleKeys = keys.filter((key) => !this.#notYetRun.has(key.slice(PREFIX.length)));
    this.#markers.forget(staleKeys);
    const events = keys.length - staleKeys.length;
    if (events === 0) return;
    log(this.#logger, 'event.crash-suspects', { events });
  }

  /** Whether a process ended during a run of the event. Such an event starts only while no other suspect runs. */
  isSuspect(id: string): boolean {
    return this.#markers.hasSuspects && this.#markers.crashesOf(PREFIX + id) > 0;
  }

  /** @returns whether the suspect may start now */
  tryAcquire(id: string): boolean {
    return this.#lock.tryAcquire(PREFIX + id);
  }

  release(id: string): void {
    this.#lock.release(PREFIX + id);
  }

  onRelease(listener: () => void): void {
    this.#lock.onRelease(listener);
  }

  /** Runs an event, with a marker if it needs one. Does not run an event that crashed too often. */
  run(event: StoredEvent, run: (event: StoredEvent) => Promise<StoredRun>): Promise<StoredRun> {
    const { id } = event.meta;
    // An event received by this process needs no marker, so this costs no store operation.
    return this.#notYetRun.has(id) || this.isSuspect(id) ? this.#runMarked(event, run) : run(event);
  }

  /**
   * Called once the outcome of a run is stored.
   *
   * @param isOver whether the event no longer waits: it was processed or is a dead letter
   */
  async settled(id: string, isOver: boolean): Promise<void> {
    await this.#markers.end(PREFIX + id, isOver);
  }

  async #runMarked(event: StoredEvent, run: (event: StoredEvent) => Promise<StoredRun>): Promise<StoredRun> {
    const { id } = event.meta;
    const key = PREFIX + id;
    const crashes = this.#markers.crashesOf(key);
    if (crashes >= MAX_CRASHES) return { type: 'crashed', error: crashError(crashes) };
    this.#notYetRun.delete(id);
    await this.#markers.begin(key);
    return run(event);
  }
}

function crashError(crashes: number): Error {
  return new Error(
    `The process ended ${crashes} times while the handler was processing this event. Fix the handler, then call ` +
      'runtime.deadLetters.replay(id) or discard(id).',
  );
}
