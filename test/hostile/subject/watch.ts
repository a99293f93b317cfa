import { openSync, readSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';

const TICK_MS = 5;

/** Ticks between two looks at the memory. */
const LOOK_TICKS = 4;

/** The worst that was seen since the last {@link Watch.begin}. */
export interface Seen {
  /** The longest time between two ticks of a timer of 5 ms, beyond those 5, and beyond what it waited for a core. */
  readonly gapMs: number;
  /** The most memory of the machine, in bytes. */
  readonly resident: number;
  /** The most heap after a collection, in bytes. */
  readonly heap: number;
}

/** How long this process has waited for a core. Reading it makes no garbage to speak of: collecting that would be watched too. */
class CoreWaits {
  readonly #buffer = Buffer.alloc(256);
  readonly #file: number | undefined;

  constructor() {
    try {
      this.#file = openSync('/proc/self/schedstat', 'r');
    } catch {
      // Not Linux: nothing is known of other processes.
    }
  }

  /** Milliseconds so far. Other processes are to blame for them. */
  get ms(): number {
    if (this.#file === undefined) return 0;
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const [, nanoseconds] = this.#buffer.toString('latin1', 0, length).split(' ');
    return Number(nanoseconds) / 1_000_000;
  }
}

/** Watches how long this process stands still, and what memory it takes. */
export class Watch {
  readonly #waits = new CoreWaits();
  #ticked = 0;
  #waited = 0;
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

  /** Collects garbage, and sees what is left. The time that takes does not count. */
  collect(): void {
    if (globalThis.gc === undefined) throw new Error('This process was not started with --expose-gc');
    // What one collection finalizes is garbage for the next.
    globalThis.gc();
    globalThis.gc();
    this.#heap = Math.max(this.#heap, getHeapStatistics().used_heap_size);
    this.#ticked = performance.now();
    this.#waited = this.#waits.ms;
  }

  /** The longest time between two ticks since it was last asked for, up to now. */
  lap(): number {
    this.#tick();
    const gapMs = this.#gapMs;
    this.#gapMs = 0;
    return gapMs;
  }

  end(): Seen {
    clearInterval(this.#timer);
    return { gapMs: this.#gapMs, resident: this.#resident, heap: this.#heap };
  }

  #tick(): void {
    const now = performance.now();
    const waited = this.#waits.ms;
    this.#gapMs = Math.max(this.#gapMs, now - this.#ticked - (waited - this.#waited) - TICK_MS);
    this.#ticked = now;
    this.#waited = waited;
    this.#ticks += 1;
    if (this.#ticks % LOOK_TICKS === 0) this.#resident = Math.max(this.#resident, process.memoryUsage.rss());
  }
}
