/** Maximum preallocation, as a multiple of the received bytes: a false `Content-Length` must not take memory. */
const MAX_PREALLOCATION_FACTOR = 32;

const EMPTY = new Uint8Array();

/**
 * Joins chunks of bytes. A single chunk is kept without a copy.
 *
 * Further chunks are copied into one buffer, so that many small chunks take no more memory than a large one. The buffer
 * grows to the announced size, or doubles if that is unknown.
 */
export class CollectedBytes {
  readonly #announced: number;
  readonly #max: number;
  #buffer: Uint8Array = EMPTY;
  #size = 0;

  /**
   * @param announced number of bytes that the sender announced; 0 if it announced none
   * @param max maximum number of bytes; the buffer never gets larger
   */
  constructor(announced = 0, max = Infinity) {
    this.#announced = announced;
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  /** Allocated bytes, used or not. */
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

  /** Drops all bytes. */
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
