/** An item, between those that were set before and after it. */
interface Link<V> {
  readonly key: string;
  value: V;
  older: Link<V> | undefined;
  newer: Link<V> | undefined;
}

/** Many small maps in place of a large one, which V8 copies whole as it grows: 250,000 items stop the process for 30 ms. */
const PARTS = 256;

/** A map that knows which key was set longest ago, and takes the same short time for each change, however large it is. */
export class LruMap<V> {
  readonly #parts: (Map<string, Link<V>> | undefined)[] = Array.from({ length: PARTS });
  #oldest: Link<V> | undefined;
  #newest: Link<V> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: string): boolean {
    return this.#partOf(key).has(key);
  }

  get(key: string): V | undefined {
    return this.#partOf(key).get(key)?.value;
  }

  /** Sets a value: its key is the newest from now on. */
  set(key: string, value: V): void {
    const part = this.#partOf(key);
    let link = part.get(key);
    if (link === undefined) {
      link = { key, value, older: undefined, newer: undefined };
      part.set(key, link);
      this.#size += 1;
    } else {
      link.value = value;
      this.#unlink(link);
    }
    this.#append(link);
  }

  delete(key: string): void {
    const part = this.#partOf(key);
    const link = part.get(key);
    if (link === undefined) return;
    part.delete(key);
    this.#unlink(link);
    this.#size -= 1;
  }

  /** The key that was set longest ago. */
  oldest(): string | undefined {
    return this.#oldest?.key;
  }

  /** The keys that there are now, the oldest first. */
  keys(): readonly string[] {
    const keys: string[] = [];
    for (let link = this.#oldest; link !== undefined; link = link.newer) keys.push(link.key);
    return keys;
  }

  #append(link: Link<V>): void {
    link.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = link;
    else this.#newest.newer = link;
    this.#newest = link;
  }

  #unlink(link: Link<V>): void {
    const { older, newer } = link;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    link.older = undefined;
    link.newer = undefined;
  }

  #partOf(key: string): Map<string, Link<V>> {
    let hash = 0;
    // Keys are digests, so their beginning tells enough.
    for (let index = 0; index < Math.min(key.length, 8); index += 1) hash = (hash * 31 + key.charCodeAt(index)) | 0;
    return (this.#parts[hash & (PARTS - 1)] ??= new Map());
  }
}
