import { log } from '../../log-events.js';
import type { Logger } from '../../logger.js';
import { MAX_CRASHES, type CrashMarkers } from './crash-markers.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import type { Suspects } from '../inbox/concurrency-limiter.js';
import type { SuspectLock } from './suspect-lock.js';

const PREFIX = 'event.';

/** Dependencies of {@link EventCrashGuard}. */
export interface EventCrashGuardOptions {
  readonly markers: CrashMarkers;
  readonly lock: SuspectLock;
  readonly logger: Logger;
}

/**
 * Marks the first run of each event that was in the store at start. An event whose marker was found at start is a
 * suspect. Only one suspect runs at a time, and each of its runs is marked until it succeeds. After three crashes it
 * does not run at all. Other runs write no marker.
 */
export class EventCrashGuard implements Suspects {
  readonly #options: EventCrashGuardOptions;
  /** Events that were in the store at start and have not run since. */
  readonly #notYetRun = new Set<string>();

  constructor(options: EventCrashGuardOptions) {
    this.#options = options;
  }

  /** Registers an event that was in the store at start, including a dead letter. */
  addStored(id: string): void {
    this.#notYetRun.add(id);
  }

  /** Called once all stored events are registered. Removes the markers of other events. */
  onLoaded(): void {
    const { markers, logger } = this.#options;
    const keys = markers.suspects.filter((key) => key.startsWith(PREFIX));
    const staleKeys = keys.filter((key) => !this.#notYetRun.has(key.slice(PREFIX.length)));
    markers.forget(staleKeys);
    const events = keys.length - staleKeys.length;
    if (events === 0) return;
    log(logger, 'event.crash-suspects', { events });
  }

  /** Whether a process ended during a run of the event. Such an event starts only while no other suspect runs. */
  isSuspect(id: string): boolean {
    const { markers } = this.#options;
    return markers.hasSuspects && markers.crashesOf(PREFIX + id) > 0;
  }

  /** @returns whether the suspect may start now */
  tryAcquire(id: string): boolean {
    return this.#options.lock.tryAcquire(PREFIX + id);
  }

  release(id: string): void {
    this.#options.lock.release(PREFIX + id);
  }

  onRelease(listener: () => void): void {
    this.#options.lock.onRelease(listener);
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
    await this.#options.markers.end(PREFIX + id, isOver);
  }

  async #runMarked(event: StoredEvent, run: (event: StoredEvent) => Promise<StoredRun>): Promise<StoredRun> {
    const { markers } = this.#options;
    const { id } = event.meta;
    const key = PREFIX + id;
    const crashes = markers.crashesOf(key);
    if (crashes >= MAX_CRASHES) return { type: 'crashed', error: crashError(crashes) };
    this.#notYetRun.delete(id);
    await markers.begin(key);
    return run(event);
  }
}

function crashError(crashes: number): Error {
  return new Error(
    `The process ended ${crashes} times while the handler was processing this event. Fix the handler, then call ` +
      'runtime.deadLetters.replay(id) or discard(id).',
  );
}
