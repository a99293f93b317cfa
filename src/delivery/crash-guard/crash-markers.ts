import type { Logger } from '../../logger.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';
import type { RecordStore } from '../../store/record-store.js';

const VERSION = 1;
const ID = 'runs';

/** After so many crashes during its runs, something is not run any more. */
export const MAX_CRASHES = 3;

/** Dependencies of marking. */
export interface CrashMarkersOptions {
  readonly store: Pick<RecordStore, 'get' | 'set' | 'delete'>;
  readonly logger: Logger;
}

/**
 * Markers in the store of runs that are under way. A run that ends takes its marker off; a marker that a start finds belongs to
 * a run that the previous process did not outlive. A marker holds the number of crashes so far, the run under way counted
 * in advance. All markers lie in one record: there are few, and one read finds them.
 */
export class CrashMarkers {
  readonly #options: CrashMarkersOptions;
  /** Crashes by key, of what a previous process did not outlive and no run has settled since. */
  #crashes = new Map<string, number>();
  /** The marked runs that are under way. */
  readonly #running = new Set<string>();
  #writing = Promise.resolve();
  #next: Promise<void> | undefined;
  #isStopped = false;
  #ownsStore = true;

  constructor(options: CrashMarkersOptions) {
    this.#options = options;
  }

  /** Reads the markers that a previous process left. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    try {
      const raw = await store.get('marker', ID);
      if (raw !== undefined) this.#crashes = crashesIn(decodeRecord(VERSION, raw, {}, `marker ${ID}`));
    } catch (error) {
      logger.error({ err: error }, 'the crash markers cannot be read: earlier crashes are not counted');
    }
  }

  /** Whether the process stops in an orderly way. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The keys of all that a previous process did not outlive and that is not settled. */
  get suspects(): readonly string[] {
    return [...this.#crashes.keys()];
  }

  /** Whether there is any of them. */
  get hasSuspects(): boolean {
    return this.#crashes.size > 0;
  }

  /** How often the process ended during a run of it; 0 for most. */
  crashesOf(key: string): number {
    return this.#crashes.get(key) ?? 0;
  }

  /** Marks a run that begins. Resolves when the marker is stored; what cannot be stored is logged, and the run goes on. */
  async begin(key: string): Promise<void> {
    if (this.#isStopped) return;
    this.#running.add(key);
    await this.#flush();
  }

  /**
   * A run has ended, and the process goes on. Resolves when that is stored.
   *
   * @param isOver whether there is nothing more to run; else the crashes so far still count
   */
  async end(key: string, isOver: boolean): Promise<void> {
    const wasRunning = this.#running.delete(key);
    const wasSuspect = isOver && this.#crashes.delete(key);
    if (wasRunning || wasSuspect) await this.#flush();
  }

  /** Takes off the markers of what is not there any more. */
  forget(keys: readonly string[]): void {
    for (const key of keys) this.#crashes.delete(key);
    if (keys.length > 0) void this.#flush();
  }

  /**
   * The process stops in an orderly way: no run that is under way counts as a crash, and none is marked from now on.
   *
   * @param ownsStore whether the store is still ours to write to; another process may have its own markers there
   */
  async stop(ownsStore: boolean): Promise<void> {
    this.#isStopped = true;
    this.#ownsStore = ownsStore;
    if (this.#running.size > 0) {
      this.#running.clear();
      await this.#flush();
    }
    await (this.#next ?? this.#writing);
  }

  /** One write at a time: what changes meanwhile is in the next one, for all who wait for that. Never rejects. */
  #flush(): Promise<void> {
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      this.#writing = this.#write();
      return this.#writing;
    });
    return this.#next;
  }

  async #write(): Promise<void> {
    if (!this.#ownsStore) return;
    const { store, logger } = this.#options;
    const keys = new Set([...this.#crashes.keys(), ...this.#running]);
    const runs = [...keys].map((key) => [key, this.crashesOf(key) + (this.#running.has(key) ? 1 : 0)] as const);
    try {
      if (runs.length === 0) await store.delete('marker', ID);
      else await store.set('marker', ID, encodeRecord(VERSION, { runs }));
    } catch (error) {
      logger.warn({ err: error }, 'the crash markers cannot be stored: a crash may be counted wrongly');
    }
  }
}

function crashesIn(data: unknown): Map<string, number> {
  const { runs }: { readonly runs?: unknown } = Object(data);
  if (Array.isArray(runs) && runs.every(isRun)) return new Map(runs);
  throw new Error('The record does not hold numbers of crashes.');
}

function isRun(run: unknown): run is [key: string, crashes: number] {
  return Array.isArray(run) && typeof run[0] === 'string' && Number.isSafeInteger(run[1]) && Number(run[1]) > 0;
}
