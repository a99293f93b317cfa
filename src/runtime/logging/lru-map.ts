/**
 * A map of what was used most recently. It has two halves: entries are put into the new one, and when that is full the old one
 * is dropped. So an entry costs the same however many there are; finding the oldest of a Map does not.
 */
export class RecentMap<T> {
  readonly #half: number;
  readonly #onDropped: (value: T) => void;
  #new = new Map<string, T>();
  #old = new Map<string, T>();

  /**
   * @param most entries kept at most, and half as many at the least
   * @param onDropped called for each that is not kept any more
   */
  constructor(most: number, onDropped: (value: T) => void) {
    this.#half = most / 2;
    this.#onDropped = onDropped;
  }

  /** The entry of a key; where there is none, a new one. */
  get(key: string, create: () => T): T {
    const recent = this.#new.get(key);
    if (recent !== undefined) return recent;
    const value = this.#old.get(key) ?? create();
    this.#old.delete(key);
    this.#new.set(key, value);
    if (this.#new.size >= this.#half) this.#turn();
    return value;
  }

  #turn(): void {
    const dropped = this.#old;
    this.#old = this.#new;
    this.#new = new Map();
    for (const value of dropped.values()) this.#onDropped(value);
  }
}
