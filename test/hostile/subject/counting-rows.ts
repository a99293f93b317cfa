/** In-memory storage for a Keyv that counts writes and can fail. */
export class CountingRows extends Map<string, unknown> {
  isDown = false;
  writes = 0;
  bytes = 0;

  override get(key: string): unknown {
    this.#check();
    return super.get(key);
  }

  override set(key: string, value: unknown): this {
    this.#check();
    this.writes += 1;
    this.bytes += String(value).length;
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    this.#check();
    return super.delete(key);
  }

  #check(): void {
    if (this.isDown) throw new Error('the store is down');
  }
}
