/**
 * Due times in a binary heap: to set one costs the logarithm of their number, to look for due ones what is due. Keys and
 * times lie in lists side by side, without an object for each: there may be many.
 */
export class DueHeap {
  readonly #keys: string[] = [];
  readonly #times: number[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#keys.length;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  set(key: string, at: number | undefined): void {
    const place = this.#places.get(key);
    if (at === undefined) {
      if (place !== undefined) this.#remove(place);
    } else if (place === undefined) {
      this.#rise(this.#keys.length, key, at);
    } else if (at !== this.#times[place]) {
      this.#settle(place, key, at);
    }
  }

  noLaterThan(at: number): void {
    const later = this.#keys.filter((_key, place) => this.#timeAt(place) > at);
    for (const key of later) this.set(key, at);
  }

  /** Takes off what is due and returns its keys, the earliest first. */
  takeDue(now: number): string[] {
    const due: string[] = [];
    for (let key = this.#keys[0]; key !== undefined && this.#timeAt(0) <= now; key = this.#keys[0]) {
      this.#remove(0);
      due.push(key);
    }
    return due;
  }

  #remove(place: number): void {
    const removed = this.#keys[place];
    const key = this.#keys.pop();
    const at = this.#times.pop();
    if (removed === undefined || key === undefined || at === undefined) return;
    this.#places.delete(removed);
    if (key !== removed) this.#settle(place, key, at);
  }

  /** Puts a key in a place that is free, or in one that its time leads to from there. */
  #settle(place: number, key: string, at: number): void {
    if (place > 0 && this.#timeAt((place - 1) >> 1) > at) this.#rise(place, key, at);
    else this.#sink(place, key, at);
  }

  #rise(from: number, key: string, at: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (this.#timeAt(above) <= at) break;
      this.#move(above, place);
      place = above;
    }
    this.#put(place, key, at);
  }

  #sink(from: number, key: string, at: number): void {
    let place = from;
    for (;;) {
      const left = 2 * place + 1;
      const smaller = this.#timeAt(left + 1) < this.#timeAt(left) ? left + 1 : left;
      if (this.#timeAt(smaller) >= at) break;
      this.#move(smaller, place);
      place = smaller;
    }
    this.#put(place, key, at);
  }

  #timeAt(place: number): number {
    return this.#times[place] ?? Infinity;
  }

  #move(from: number, to: number): void {
    const key = this.#keys[from];
    if (key !== undefined) this.#put(to, key, this.#timeAt(from));
  }

  #put(place: number, key: string, at: number): void {
    this.#keys[place] = key;
    this.#times[place] = at;
    this.#places.set(key, place);
  }
}
