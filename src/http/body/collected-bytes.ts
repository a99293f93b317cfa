/** Room is made for so many times what has come, as far as that much is announced: an empty promise is not to take room. */
const MAX_PREALLOCATION_FACTOR = 32;

const EMPTY = new Uint8Array();

/**
 * Bytes that arrive in pieces, as one. Ten million pieces of a byte take no more room than one piece of ten million: each
 * is copied, into room for what was announced, which doubles where that is not known. A single piece is kept as it is.
 */
export class CollectedBytes {
  readonly #announced: number;
  readonly #max: number;
  #buffer: Uint8Array = EMPTY;
  #size = 0;

  /**
   * @param announced how many there are to be, as their sender says; 0 where it does not
   * @param max how many there can be: no more room than that is made
   */
  constructor(announced = 0, max = Infinity) {
    this.#announced = announced;
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes allocated, whether or not something is in them yet. */
  get capacity(): number {
    return this.#buffer.byteLength;
  }

  add(chunk: Uint8Array): void {
    const size = this.#size + chunk.byteLength;
    if (this.#size === 0) {
      this.#buffer = chunk;
    } else {
      if (size > this.#buffer.byteLength) this.#grow(size);
      this.#buffer.set(chunk, this.#size);
    }
    this.#size = size;
  }

  /** Lets go of what has come. */
  clear(): void {
    this.#buffer = EMPTY;
    this.#size = 0;
  }

  bytes(): Uint8Array {
    return this.#buffer.byteLength === this.#size ? this.#buffer : this.#buffer.subarray(0, this.#size);
  }

  #grow(minSize: number): void {
    const expected = Math.min(this.#announced, MAX_PREALLOCATION_FACTOR * minSize);
    const wanted = expected >= minSize ? expected : 2 * this.#buffer.byteLength;
    const buffer = Buffer.allocUnsafe(Math.max(minSize, Math.min(wanted, this.#max)));
    buffer.set(this.#buffer.subarray(0, this.#size));
    this.#buffer = buffer;
  }
}
