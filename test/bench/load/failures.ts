/** Counts what went wrong. */
export class Failures {
  readonly #times = new Map<string, number>();

  add(what: string): void {
    this.#times.set(what, (this.#times.get(what) ?? 0) + 1);
  }

  /** Undefined where nothing went wrong. */
  error(): Error | undefined {
    if (this.#times.size === 0) return undefined;
    const what = [...this.#times].map(([failure, times]) => `${times} times "${failure}"`).join(', ');
    return new Error(`Not every request was answered as it should be, so there is no result: ${what}`);
  }
}
