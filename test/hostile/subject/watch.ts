import { openSync, readSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';

const TICK_MS = 5;

/** Ticks between two memory measurements. */
const MEMORY_TICKS = 4;

/** The highest values since the last {@link Watch.begin}. */
export interface Peaks {
  /**
   * Milliseconds: longest gap between ticks of a 5 ms timer, minus those 5 ms and the time spent waiting for a core.
   */
  readonly gapMs: number;
  /** Peak resident memory, in bytes. */
  readonly resident: number;
  /** Peak heap after a garbage collection, in bytes. */
  readonly heap: number;
}

/**
 * Measures how long this process waited for a core. Reading it creates almost no garbage, because collecting garbage
 * would be measured too.
 */
class CoreWaits {
  readonly #buffer = Buffer.alloc(256);
  readonly #file: number | undefined;

  constructor() {
    try {
      this.#file = openSync('/proc/self/schedstat', 'r');
    } catch {
      // Not Linux: the waiting time is unknown.
    }
  }

  /** Milliseconds waited so far. Other processes cause them. */
  get ms(): number {
    if (this.#file === undefined) return 0;
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const [, nanoseconds] = this.#buffer.toString('latin1', 0, length).split(' ');
    return Number(nanoseconds) / 1_000_000;
  }
}

/** Measures how long this process blocks and how much memory it uses. */
export class Watch {
  readonly #waits = new CoreWaits();
  #lastTickAt = 0;
  #waitedAtLastTick = 0;
  #ticks = 0;
  #gapMs = 0;
  #resident = 0;
  #heap = 0;
  #timer: NodeJS.Timeout | undefined;

  begin(): void {
    this.end();
    this.#gapMs = 0;
    this.#resident = process.memoryUsage.rss();
    this.#heap = 0;
    this.collect();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Collects garbage and measures the remaining heap. The time this takes does not count. */
  collect(): void {
    if (globalThis.gc === undefined) throw new Error('This process was not started with --expose-gc');
    // Objects that one collection finalizes are garbage for the next.
    globalThis.gc();
    globalThis.gc();
    this.#heap = Math.max(this.#heap, getHeapStatistics().used_heap_size);
    this.#lastTickAt = performance.now();
    this.#waitedAtLastTick = this.#waits.ms;
  }

  /** Returns the longest gap since the last call. */
  lap(): number {
    this.#tick();
    const gapMs = this.#gapMs;
    this.#gapMs = 0;
    return gapMs;
  }

  end(): Peaks {
    clearInterval(this.#timer);
    return { gapMs: this.#gapMs, resident: this.#resident, heap: this.#heap };
  }

  #tick(): void {
    const now = performance.now();
    const waited = this.#waits.ms;
    this.#gapMs = Math.max(this.#gapMs, now - this.#lastTickAt - (waited - this.#waitedAtLastTick) - TICK_MS);
    this.#lastTickAt = now;
    this.#waitedAtLastTick = waited;
    this.#ticks += 1;
    if (this.#ticks % MEMORY_TICKS === 0) this.#resident = Math.max(this.#resident, process.memoryUsage.rss());
  }
}
