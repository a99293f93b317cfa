/**
 * Bytes that arrive in pieces, as one. Ten million pieces of a byte take no more room than one piece of ten million: each
 * is copied, into room that doubles as it fills. A single piece is kept as it is.
 */
export class CollectedBytes {
  #room: Uint8Array = new Uint8Array();
  #size = 0;

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
    const room = Buffer.allocUnsafe(Math.max(least, 2 * this.#room.byteLength));
    room.set(this.#room.subarray(0, this.#size));
    this.#room = room;
  }
}
