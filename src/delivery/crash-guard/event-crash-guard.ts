import type { Logger } from '../../logger.js';
import { MAX_CRASHES, type CrashMarkers } from './crash-markers.js';
import type { StoredRun } from '../handler/handler-run.js';
import type { StoredEvent } from '../inbox/stored-event.js';
import type { Suspects } from '../inbox/concurrency-limiter.js';
import type { SuspectLock } from './suspect-lock.js';

const PREFIX = 'event.';

/** Dependencies of marking events. */
export interface EventCrashGuardOptions {
  readonly markers: CrashMarkers;
  readonly lock: SuspectLock;
  readonly logger: Logger;
}

/**
 * Marks events that were in the store when the process started, for their first run. An event whose marker was found at the
 * start is a suspect: it runs alone among suspects until it succeeds, and not at all after three crashes. No other
 * run writes a marker.
 */
export class EventCrashGuard implements Suspects {
  readonly #options: EventCrashGuardOptions;
  /** Events that were in the store at the start and have not run since. */
  readonly #notYetRun = new Set<string>();

  constructor(options: EventCrashGuardOptions) {
    this.#options = options;
  }

  /** The event was in the store when the process started, also as a dead letter. */
  addStored(id: string): void {
    this.#notYetRun.add(id);
  }

  /** All events that were in the store are known: markers of others are removed. */
  onLoaded(): void {
    const { markers, logger } = this.#options;
    const keys = markers.suspects.filter((key) => key.startsWith(PREFIX));
    const staleKeys = keys.filter((key) => !this.#notYetRun.has(key.slice(PREFIX.length)));
    markers.forget(staleKeys);
    const events = keys.length - staleKeys.length;
    if (events === 0) return;
    logger.warn(
      { events },
      'events were being handled when the process crashed: they run one at a time until they succeed',
    );
  }

  /** Whether the process ended during its run; it begins only when no other suspect runs. */
  isSuspect(id: string): boolean {
    const { markers } = this.#options;
    return markers.hasSuspects && markers.crashesOf(PREFIX + id) > 0;
  }

  /** @returns whether it may begin now, where it is a suspect */
  tryAcquire(id: string): boolean {
    return this.#options.lock.tryAcquire(PREFIX + id);
  }

  release(id: string): void {
    this.#options.lock.release(PREFIX + id);
  }

  onRelease(listener: () => void): void {
    this.#options.lock.onRelease(listener);
  }

  /** Runs an event, marked where that is due. One that crashed too often is not run. */
  run(event: StoredEvent, run: (event: StoredEvent) => Promise<StoredRun>): Promise<StoredRun> {
    const { id } = event.meta;
    // An event that was received by this process costs nothing.
    return this.#notYetRun.has(id) || this.isSuspect(id) ? this.#runMarked(event, run) : run(event);
  }

  /**
   * How an event's run ended is stored.
   *
   * @param isOver whether the event waits no more: it was handled, or is a dead letter
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
    `The process ended ${crashes} times while the handler ran with this event. Correct the handler, then call ` +
      'runtime.deadLetters.replay(id), or discard(id).',
  );
}
