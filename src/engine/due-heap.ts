/**
 * Due times by key, in a binary heap. A change takes logarithmic time. Finding that nothing is due takes constant time.
 * Keys and times are parallel lists, because an object per key would take much memory.
 */
export class DueHeap {
  readonly #keys: string[] = [];
  readonly #times: number[] = [];
  readonly #indexes = new Map<string, number>();

  get size(): number {
    return this.#keys.length;
  }

  has(key: string): boolean {
    return this.#indexes.has(key);
  }

  set(key: string, at: number | undefined): void {
    const index = this.#indexes.get(key);
    if (at === undefined) {
      if (index !== undefined) this.#remove(index);
    } else if (index === undefined) {
      this.#siftUp(this.#keys.length, key, at);
    } else if (at !== this.#times[index]) {
      this.#sift(index, key, at);
    }
  }

  bringForwardTo(at: number): void {
    const later = this.#keys.filter((_key, index) => this.#timeAt(index) > at);
    for (const key of later) this.set(key, at);
  }

  /** Removes the keys that are due and returns them, earliest first. */
  takeDue(now: number): string[] {
    const due: string[] = [];
    for (let key = this.#keys[0]; key !== undefined && this.#timeAt(0) <= now; key = this.#keys[0]) {
      this.#remove(0);
      due.push(key);
    }
    return due;
  }

  #remove(index: number): void {
    const removed = this.#keys[index];
    const key = this.#keys.pop();
    const at = this.#times.pop();
    if (removed === undefined || key === undefined || at === undefined) return;
    this.#indexes.delete(removed);
    if (key !== removed) this.#sift(index, key, at);
  }

  /** Puts a key into the heap, starting at a free index. */
  #sift(index: number, key: string, at: number): void {
    if (index > 0 && this.#timeAt((index - 1) >> 1) > at) this.#siftUp(index, key, at);
    else this.#siftDown(index, key, at);
  }

  #siftUp(from: number, key: string, at: number): void {
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (this.#timeAt(above) <= at) break;
      this.#move(above, index);
      index = above;
    }
    this.#put(index, key, at);
  }

  #siftDown(from: number, key: string, at: number): void {
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = this.#timeAt(left + 1) < this.#timeAt(left) ? left + 1 : left;
      if (this.#timeAt(smaller) >= at) break;
      this.#move(smaller, index);
      index = smaller;
    }
    this.#put(index, key, at);
  }

  #timeAt(index: number): number {
    return this.#times[index] ?? Infinity;
  }

  #move(from: number, to: number): void {
    const key = this.#keys[from];
    if (key !== undefined) this.#put(to, key, this.#timeAt(from));
  }

  #put(index: number, key: string, at: number): void {
    this.#keys[index] = key;
    this.#times[index] = at;
    this.#indexes.set(key, index);
  }
}
