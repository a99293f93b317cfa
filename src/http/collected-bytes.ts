/** Room is made for so many times what has come, as far as that much is announced: an empty promise is not to take room. */
const TRUST = 32;

const NOTHING = new Uint8Array();

/**
 * Bytes that arrive in pieces, as one. Ten million pieces of a byte take no more room than one piece of ten million: each
 * is copied, into room for what was announced, which doubles where that is not known. A single piece is kept as it is.
 */
export class CollectedBytes {
  readonly #announced: number;
  #room: Uint8Array = NOTHING;
  #size = 0;

  /** @param announced how many there are to be, as their sender says; 0 where it does not */
  constructor(announced = 0) {
    this.#announced = announced;
  }

  get size(): number {
    return this.#size;
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

  bytes(): Uint8Array {
    return this.#room.byteLength === this.#size ? this.#room : this.#room.subarray(0, this.#size);
  }

  #grow(least: number): void {
    const likely = Math.min(this.#announced, TRUST * least);
    const room = Buffer.allocUnsafe(Math.max(least, likely >= least ? likely : 2 * this.#room.byteLength));
    room.set(this.#room.subarray(0, this.#size));
    this.#room = room;
  }
}
