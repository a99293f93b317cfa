interface Entry {
  readonly key: string;
  readonly at: number;
}

/** Due times in a binary heap: to set one costs the logarithm of their number, to look for due ones what is due. */
export class DueHeap {
  readonly #entries: Entry[] = [];
  readonly #current = new Map<string, Entry>();

  get size(): number {
    return this.#current.size;
  }

  /** Places in the heap, those of times that were replaced included: at most twice as many as keys, or 64. */
  get places(): number {
    return this.#entries.length;
  }

  has(key: string): boolean {
    return this.#current.has(key);
  }

  set(key: string, at: number | undefined): void {
    const known = this.#current.get(key);
    if (known?.at === at) return;
    if (at === undefined) {
      this.#current.delete(key);
    } else {
      const entry = { key, at };
      this.#current.set(key, entry);
      this.#push(entry);
    }
    this.#compact();
  }

  noLaterThan(at: number): void {
    for (const [key, entry] of this.#current) if (entry.at > at) this.set(key, at);
  }

  /** Takes off what is due and returns its keys, the earliest first. */
  takeDue(now: number): string[] {
    const due: string[] = [];
    for (let first = this.#entries[0]; first !== undefined && first.at <= now; first = this.#entries[0]) {
      this.#pop();
      if (this.#current.get(first.key) !== first) continue;
      this.#current.delete(first.key);
      due.push(first.key);
    }
    return due;
  }

  // Replaced entries stay in the heap until they surface, or until they are most of it.
  #compact(): void {
    if (this.#entries.length < 64 || this.#entries.length < 2 * this.#current.size) return;
    const live = [...this.#current.values()].sort((a, b) => a.at - b.at);
    this.#entries.splice(0, this.#entries.length, ...live);
  }

  #push(entry: Entry): void {
    const entries = this.#entries;
    let index = entries.length;
    entries.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = entries[above];
      if (parent === undefined || parent.at <= entry.at) break;
      entries[index] = parent;
      index = above;
    }
    entries[index] = entry;
  }

  #pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let index = 0;
    for (;;) {
      const left = entries[2 * index + 1];
      const right = entries[2 * index + 2];
      const smaller = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (smaller === undefined || smaller.at >= last.at) break;
      entries[index] = smaller;
      index = 2 * index + (smaller === right ? 2 : 1);
    }
    entries[index] = last;
  }
}
