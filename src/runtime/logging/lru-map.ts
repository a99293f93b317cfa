/**
 * A map of what was used most recently. It has two halves: entries are put into the new one, and when that is full the old one
 * is dropped. So an entry costs the same however many there are; finding the oldest of a Map does not.
 */
export class LruMap<T> {
  readonly #halfCapacity: number;
  readonly #onDropped: (value: T) => void;
  #recent = new Map<string, T>();
  #older = new Map<string, T>();

  /**
   * @param capacity entries kept at most, and half as many at the least
   * @param onDropped called for each that is not kept any more
   */
  constructor(capacity: number, onDropped: (value: T) => void) {
    this.#halfCapacity = capacity / 2;
    this.#onDropped = onDropped;
  }

  /** The entry of a key; where there is none, a new one. */
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
