import { percentile } from '../statistics.js';

/** Stores every latency, in milliseconds, for exact percentiles. */
export class Latencies {
  #values = new Float64Array(1 << 16);
  #length = 0;

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  summary(): { readonly requests: number; readonly p50Ms: number; readonly p99Ms: number } {
    const ascending = this.#values.slice(0, this.#length).sort();
    return { requests: ascending.length, p50Ms: percentile(ascending, 0.5), p99Ms: percentile(ascending, 0.99) };
  }
}
