import type { EngineContext } from '../../engine/engine-context.js';
import { log } from '../../log-events.js';
import { decodeRecord, encodeRecord } from '../../store/codec.js';

const VERSION = 1;
const ID = 'runs';

/** After this many crashes during its runs, an event or topic no longer runs. */
export const MAX_CRASHES = 3;

/**
 * Stores a marker for each run in progress. The end of a run removes its marker. A marker found at start belongs to a
 * run during which the previous process ended. A marker's count includes the current run, so a crash needs no further
 * write. All markers share one record, because there are few and one read then finds all.
 */
export class CrashMarkers {
  readonly #context: Pick<EngineContext, 'store' | 'logger'>;
  /** How often the process ended during a run of each key. A key is removed after its last run. */
  #crashes = new Map<string, number>();
  /** The keys of marked runs in progress. */
  readonly #running = new Set<string>();
  #writing = Promise.resolve();
  #next: Promise<void> | undefined;
  #isStopped = false;
  #ownsStore = true;

  constructor(context: Pick<EngineContext, 'store' | 'logger'>) {
    this.#context = context;
  }

  /** Reads the markers of a previous process. */
  async load(): Promise<void> {
    const { store, logger } = this.#context;
    try {
      const raw = await store.get('marker', ID);
      if (raw !== undefined) this.#crashes = crashesIn(decodeRecord(VERSION, raw, {}, `marker ${ID}`));
    } catch (error) {
      log(logger, 'crash-markers.unreadable', { err: error });
    }
  }

  /** Whether an orderly shutdown has begun. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The keys with crashes that still count. */
  get suspects(): readonly string[] {
    return [...this.#crashes.keys()];
  }

  /** Whether there is any suspect. */
  get hasSuspects(): boolean {
    return this.#crashes.size > 0;
  }

  /** How often a process ended during a run of the key; usually 0. */
  crashesOf(key: string): number {
    return this.#crashes.get(key) ?? 0;
  }

  /** Marks the start of a run. Resolves once the marker is stored. A failed write is logged, and the run goes ahead. */
  async begin(key: string): Promise<void> {
    if (this.#isStopped) return;
    this.#running.add(key);
    await this.#flush();
  }

  /**
   * Removes the marker of a run that ended without a crash. Resolves once that is stored.
   *
   * @param isOver whether no further run follows; otherwise earlier crashes still count
   */
  async end(key: string, isOver: boolean): Promise<void> {
    const wasRunning = this.#running.delete(key);
    const wasSuspect = isOver && this.#crashes.delete(key);
    if (wasRunning || wasSuspect) await this.#flush();
  }

  /** Removes the markers of events or topics that no longer exist. */
  forget(keys: readonly string[]): void {
    for (const key of keys) this.#crashes.delete(key);
    if (keys.length > 0) void this.#flush();
  }

  /**
   * Called at an orderly shutdown. Runs in progress do not count as crashes, and later runs are not marked.
   *
   * @param ownsStore whether this process still owns the store; if not, another process may have its markers there
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

  /** Writes one at a time. Changes during a write share the next one. Never rejects. */
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
    const { store, logger } = this.#context;
    const keys = new Set([...this.#crashes.keys(), ...this.#running]);
    const runs = [...keys].map((key) => [key, this.crashesOf(key) + (this.#running.has(key) ? 1 : 0)] as const);
    try {
      if (runs.length === 0) await store.delete('marker', ID);
      else await store.set('marker', ID, encodeRecord(VERSION, { runs }));
    } catch (error) {
      log(logger, 'crash-markers.not-stored', { err: error });
    }
  }
}

function crashesIn(data: unknown): Map<string, number> {
  const { runs }: { readonly runs?: unknown } = Object(data);
  if (Array.isArray(runs) && runs.every(isRun)) return new Map(runs);
  throw new Error('The crash markers are corrupt: they must hold numbers of crashes.');
}

function isRun(run: unknown): run is [key: string, crashes: number] {
  return Array.isArray(run) && typeof run[0] === 'string' && Number.isSafeInteger(run[1]) && Number(run[1]) > 0;
}
