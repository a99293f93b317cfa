/** Room is made for so many times what has come, as far as that much is announced: an empty promise is not to take room. */
const TRUST = 32;

const NOTHING = new Uint8Array();

/**
 * Bytes that arrive in pieces, as one. Ten million pieces of a byte take no more room than one piece of ten million: each
 * is copied, into room for what was announced, which doubles where that is not known. A single piece is kept as it is.
 */
export class CollectedBytes {
  readonly #announced: number;
  readonly #most: number;
  #room: Uint8Array = NOTHING;
  #size = 0;

  /**
   * @param announced how many there are to be, as their sender says; 0 where it does not
   * @param most how many there can be: no more room than that is made
   */
  constructor(announced = 0, most = Infinity) {
    this.#announced = announced;
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes allocated, whether or not something is in them yet. */
  get room(): number {
    return this.#room.byteLength;
  }

  add(piece: Uint8Array): void {
    const size = this.#size + piece.byteLength;
    if (this.#size === 0) {
      this.#room = piece;
    } else {
      if (size > this.#room.byteLength) this.#grow(size);
      this.#room.set(piece, this.#size);
    }
    this.#size = size;
  }

  /** Lets go of what has come. */
  drop(): void {
    this.#room = NOTHING;
    this.#size = 0;
  }

  bytes(): Uint8Array {
    return this.#room.byteLength === this.#size ? this.#room : this.#room.subarray(0, this.#size);
  }

  #grow(least: number): void {
    const likely = Math.min(this.#announced, TRUST * least);
    const wanted = likely >= least ? likely : 2 * this.#room.byteLength;
    const room = Buffer.allocUnsafe(Math.max(least, Math.min(wanted, this.#most)));
    room.set(this.#room.subarray(0, this.#size));
    this.#room = room;
  }
}
