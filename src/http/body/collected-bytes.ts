/** Smaller chunks are joined as they come, so that many of them take little more memory than their bytes. */
const SMALL_BYTES = 8 * 1024;

/** Maximum bytes of a buffer that small chunks are joined in. */
const MAX_BUFFER_BYTES = 64 * 1024;

/** Maximum preallocation, as a multiple of the received bytes: a false `Content-Length` must not take memory. */
const MAX_PREALLOCATION_FACTOR = 32;

const EMPTY = new Uint8Array();

/**
 * Collects chunks of bytes. They stay in the chunks they came in until somebody asks for all bytes: most bodies are one
 * chunk, and many handlers read none.
 */
export class CollectedBytes {
  readonly #announced: number;
  /** The first chunk, or all bytes once they were joined. */
  #first: Uint8Array = EMPTY;
  /** All chunks, if there are several. */
  #chunks: Uint8Array[] | undefined;
  /** The buffer that small chunks are joined in, after `#chunks`. */
  #buffer: Uint8Array = EMPTY;
  #bufferSize = 0;
  #size = 0;
  #capacity = 0;

  /** @param announced number of bytes that the sender announced; 0 if it announced none */
  constructor(announced = 0) {
    this.#announced = announced;
  }

  /** The bytes as one chunk. */
  static of(bytes: Uint8Array): CollectedBytes {
    const collected = new CollectedBytes();
    collected.add(bytes);
    return collected;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that the chunks take, used or not. */
  get capacity(): number {
    return this.#capacity;
  }

  add(chunk: Uint8Array): void {
    const { byteLength } = chunk;
    if (byteLength === 0) return;
    if (this.#size === 0) {
      this.#first = chunk;
      this.#capacity = byteLength;
    } else if (isKept(chunk)) {
      this.#endBuffer().push(chunk);
      this.#capacity += chunk.buffer.byteLength;
    } else {
      this.#join(chunk);
    }
    this.#size += byteLength;
  }

  /** All bytes. Joins the chunks when it is first called. */
  bytes(): Uint8Array {
    if (this.#chunks === undefined) return this.#first;
    const chunks = this.#endBuffer();
    const joined = Buffer.allocUnsafe(this.#size);
    let at = 0;
    for (const chunk of chunks) {
      joined.set(chunk, at);
      at += chunk.byteLength;
    }
    this.#chunks = undefined;
    this.#first = joined;
    this.#capacity = joined.byteLength;
    return joined;
  }

  /** Drops all bytes. */
  clear(): void {
    this.#chunks = undefined;
    this.#first = EMPTY;
    this.#buffer = EMPTY;
    this.#bufferSize = 0;
    this.#size = 0;
    this.#capacity = 0;
  }

  /** Copies a chunk into the buffer, and into a new one if it is full. */
  #join(chunk: Uint8Array): void {
    this.#chunks ??= [this.#first];
    const fitting = Math.min(chunk.byteLength, this.#buffer.byteLength - this.#bufferSize);
    if (fitting > 0) {
      this.#buffer.set(fitting === chunk.byteLength ? chunk : chunk.subarray(0, fitting), this.#bufferSize);
      this.#bufferSize += fitting;
    }
    if (fitting === chunk.byteLength) return;
    const rest = chunk.subarray(fitting);
    const size = this.#size + chunk.byteLength;
    const expected = Math.min(this.#announced - this.#size - fitting, MAX_PREALLOCATION_FACTOR * size);
    const wanted = expected >= rest.byteLength ? expected : size;
    this.#endBuffer();
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(rest.byteLength, Math.min(wanted, MAX_BUFFER_BYTES)));
    this.#buffer.set(rest);
    this.#bufferSize = rest.byteLength;
    this.#capacity += this.#buffer.byteLength;
  }

  /** Adds what the buffer has to the chunks, and returns these. */
  #endBuffer(): Uint8Array[] {
    const chunks = (this.#chunks ??= [this.#first]);
    const used = this.#buffer.subarray(0, this.#bufferSize);
    if (used.byteLength > 0) {
      // A buffer that is mostly empty gives its memory back.
      const isKeptWhole = 2 * used.byteLength >= this.#buffer.byteLength;
      chunks.push(isKeptWhole ? used : new Uint8Array(used));
      if (!isKeptWhole) this.#capacity -= this.#buffer.byteLength - used.byteLength;
    }
    this.#buffer = EMPTY;
    this.#bufferSize = 0;
    return chunks;
  }
}

/** Whether a chunk is worth keeping: it is large, and its memory has little else. */
function isKept({ byteLength, buffer }: Uint8Array): boolean {
  return byteLength >= SMALL_BYTES && 2 * byteLength >= buffer.byteLength;
}
