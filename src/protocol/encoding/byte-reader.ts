/** Bytes that come in chunks, read in order; what was taken too much of goes back. */
export class CodedBytes {
  readonly #source: AsyncIterator<Uint8Array>;
  #ahead: Uint8Array = new Uint8Array();
  #isOver = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The first bytes, which stay where they are; fewer only where no more come. */
  async peek(bytes: number): Promise<Uint8Array> {
    while (this.#ahead.byteLength < bytes) {
      const more = await this.#more();
      if (more === undefined) break;
      this.#ahead = this.#ahead.byteLength === 0 ? more : Buffer.concat([this.#ahead, more]);
    }
    return this.#ahead.subarray(0, bytes);
  }

  /** Takes the next chunk; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#ahead.byteLength === 0) return this.#more();
    const chunk = this.#ahead;
    this.#ahead = new Uint8Array();
    return chunk;
  }

  /** Takes so many bytes; fewer only where no more come. */
  async take(bytes: number): Promise<Uint8Array> {
    const taken = await this.peek(bytes);
    this.#ahead = this.#ahead.subarray(taken.byteLength);
    return taken;
  }

  /** Puts bytes in front of those to come. */
  unread(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#ahead = this.#ahead.byteLength === 0 ? bytes : Buffer.concat([bytes, this.#ahead]);
  }

  async #more(): Promise<Uint8Array | undefined> {
    while (!this.#isOver) {
      const { done, value } = await this.#source.next();
      if (done === true) this.#isOver = true;
      else if (value.byteLength > 0) return value;
    }
    return undefined;
  }
}
