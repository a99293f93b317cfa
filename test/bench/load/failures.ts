/** Counts failures by kind. */
export class Failures {
  readonly #times = new Map<string, number>();

  add(what: string): void {
    this.#times.set(what, (this.#times.get(what) ?? 0) + 1);
  }

  /** The error that lists all failures; undefined if there were none. */
  error(): Error | undefined {
    if (this.#times.size === 0) return undefined;
    const failures = [...this.#times].map(([failure, count]) => `${count} times "${failure}"`).join(', ');
    return new Error(`Not every request was answered as it should be, so there is no result: ${failures}`);
  }
}
