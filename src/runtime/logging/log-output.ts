import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Bytes of the buffer for lines that the reader has not taken yet. */
const CAPACITY = 4 * 1024 * 1024;

/** Milliseconds between attempts while nobody reads: the first pause, and the longest. */
const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 100;

/** Maximum milliseconds to write the buffer when the process ends. */
const EXIT_FLUSH_MS = 200;

/** Writes as many of the bytes as possible, and returns their number. Throws `EAGAIN` if none can be written. */
export type Send = (bytes: Uint8Array) => number;

// Bound at import: a test that fakes the clock must not make a flush endless.
const now = performance.now.bind(performance);

/**
 * Writes log lines to a file descriptor without waiting for its reader. Lines that cannot be written at once are
 * buffered. When the buffer is full, lines are dropped and counted until half of it is free again.
 */
export class LogOutput {
  readonly #send: Send;
  readonly #droppedLine: (count: number) => string;
  /** The ring buffer. It exists only while lines wait. */
  #ring: Buffer | undefined;
  #start = 0;
  #size = 0;
  #dropped = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #lastTryAt = -Infinity;

  /**
   * @param droppedLine creates the line with the number of dropped lines
   */
  constructor(send: Send, droppedLine: (count: number) => string) {
    this.#send = send;
    this.#droppedLine = droppedLine;
  }

  write(line: string): void {
    if (this.#isClosed) return;
    const bytes = Buffer.from(line, 'utf8');
    if (this.#needsRoom(bytes) && now() - this.#lastTryAt >= FIRST_PAUSE_MS) this.#drain();
    if (this.#needsRoom(bytes)) this.#dropped += 1;
    else if (this.#size > 0) this.#buffer(bytes);
    else this.#buffer(bytes.subarray(this.#trySend(bytes)));
  }

  /** Writes the buffer, for at most this many milliseconds. Blocks the process meanwhile. */
  flush(milliseconds = EXIT_FLUSH_MS): void {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const end = now() + milliseconds;
    while (!this.#drain() && now() < end) Atomics.wait(cell, 0, 0, 1);
  }

  #needsRoom({ length }: Uint8Array): boolean {
    return this.#dropped > 0 || this.#size + length > CAPACITY;
  }

  #buffer(bytes: Buffer): void {
    if (bytes.length === 0 || this.#isClosed) return;
    const ring = (this.#ring ??= Buffer.allocUnsafe(CAPACITY));
    const end = (this.#start + this.#size) % CAPACITY;
    const copied = bytes.copy(ring, end);
    bytes.copy(ring, 0, copied);
    this.#size += bytes.length;
    this.#scheduleDrain();
  }

  /** Writes as much of the buffer as possible. Returns whether it is empty. */
  #drain(): boolean {
    while (this.#ring !== undefined && this.#size > 0) {
      const end = Math.min(this.#start + this.#size, CAPACITY);
      const sent = this.#trySend(this.#ring.subarray(this.#start, end));
      if (sent === 0) break;
      this.#start = (this.#start + sent) % CAPACITY;
      this.#size -= sent;
    }
    if (this.#size === 0) this.#ring = undefined;
    if (this.#dropped > 0 && this.#size <= CAPACITY / 2) {
      const line = this.#droppedLine(this.#dropped);
      this.#dropped = 0;
      this.write(line);
    }
    return this.#size === 0;
  }

  /** Returns the number of bytes that were written. A closed pipe counts as having taken all. */
  #trySend(bytes: Uint8Array): number {
    this.#lastTryAt = now();
    try {
      return this.#send(bytes);
    } catch (error) {
      if (!isBrokenPipe(error)) return 0;
      this.#isClosed = true;
      this.#dropped = 0;
      return bytes.length;
    }
  }

  #scheduleDrain(): void {
    if (this.#timer !== undefined) return;
    // Does not keep the process alive: the buffer is flushed at exit.
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const before = this.#size;
      const isEmpty = this.#drain();
      this.#pauseMs = this.#size < before ? FIRST_PAUSE_MS : Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
      if (!isEmpty) this.#scheduleDrain();
    }, this.#pauseMs).unref();
  }
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

let sharedOutput: LogOutput | undefined;

/** Returns the standard output, shared by all runtimes of the process. */
export function standardOutput(droppedLine: (count: number) => string): LogOutput {
  if (sharedOutput !== undefined) return sharedOutput;
  const descriptor = standardDescriptor();
  sharedOutput = new LogOutput((bytes) => writeSync(descriptor, bytes), droppedLine);
  // Also runs if an uncaught error ends the process.
  process.once('exit', flushStandardOutput);
  return sharedOutput;
}

/** Flushes the standard output. Call it before a signal ends the process: `exit` is not emitted then. */
export function flushStandardOutput(): void {
  sharedOutput?.flush();
}

/**
 * Returns a descriptor of the standard output that never blocks.
 *
 * A file never blocks. A pipe or a terminal is opened again, so that other processes that share it keep their mode. A
 * socket, as under systemd, cannot be opened again: Node.js makes it non-blocking when `process.stdout` is first used.
 */
function standardDescriptor(): number {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  if (fstatSync(1).isFile()) return 1;
  try {
    return openSync('/proc/self/fd/1', O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    void process.stdout;
    return 1;
  }
}
