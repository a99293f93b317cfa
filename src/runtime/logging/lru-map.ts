/**
 * A map of the most recently used values, in two halves. Used values move to the new half. When the new half is full,
 * the old half is dropped. Each use takes constant time, unlike finding the oldest key of a Map.
 */
export class LruMap<T> {
  readonly #halfCapacity: number;
  readonly #onDropped: (value: T) => void;
  #recent = new Map<string, T>();
  #older = new Map<string, T>();

  /**
   * @param capacity maximum number of values; at least half as many of the latest are kept
   * @param onDropped called for each dropped value
   */
  constructor(capacity: number, onDropped: (value: T) => void) {
    this.#halfCapacity = capacity / 2;
    this.#onDropped = onDropped;
  }

  /** Returns the value of a key, and creates it if needed. */
  get(key: string, create: () => T): T {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const value = this.#older.get(key) ?? create();
    this.#older.delete(key);
    this.#recent.set(key, value);
    if (this.#recent.size >= this.#halfCapacity) this.#rotate();
    return value;
  }

  #rotate(): void {
    const dropped = this.#older;
    this.#older = this.#recent;
    this.#recent = new Map();
    for (const value of dropped.values()) this.#onDropped(value);
  }
}
