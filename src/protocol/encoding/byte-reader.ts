/** Reads bytes that arrive in chunks. Unconsumed bytes can be put back. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffered: Uint8Array = new Uint8Array();
  #isEnded = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Returns the next bytes without consuming them; fewer only at the end. */
  async peek(bytes: number): Promise<Uint8Array> {
    while (this.#buffered.byteLength < bytes) {
      const more = await this.#readMore();
      if (more === undefined) break;
      this.#buffered = this.#buffered.byteLength === 0 ? more : Buffer.concat([this.#buffered, more]);
    }
    return this.#buffered.subarray(0, bytes);
  }

  /** Consumes the next chunk; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#buffered.byteLength === 0) return this.#readMore();
    const chunk = this.#buffered;
    this.#buffered = new Uint8Array();
    return chunk;
  }

  /** Consumes the next `bytes` bytes; fewer only at the end. */
  async take(bytes: number): Promise<Uint8Array> {
    const taken = await this.peek(bytes);
    this.#buffered = this.#buffered.subarray(taken.byteLength);
    return taken;
  }

  /** Puts bytes back, to be read next. */
  unread(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#buffered = this.#buffered.byteLength === 0 ? bytes : Buffer.concat([bytes, this.#buffered]);
  }

  async #readMore(): Promise<Uint8Array | undefined> {
    while (!this.#isEnded) {
      const { done, value } = await this.#source.next();
      if (done === true) this.#isEnded = true;
      else if (value.byteLength > 0) return value;
    }
    return undefined;
  }
}
