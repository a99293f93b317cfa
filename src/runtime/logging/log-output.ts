import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Bytes of lines that wait for whoever reads them. */
const CAPACITY = 4 * 1024 * 1024;

/** Milliseconds between two tries while nobody reads: the first pause, and the longest. */
const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 100;

/** Milliseconds for writing what waits when the process ends. */
const EXIT_FLUSH_MS = 200;

/** Takes as many of the bytes as there is room for, and says how many; throws `EAGAIN` where there is none. */
export type Send = (bytes: Uint8Array) => number;

// Kept from the start: a test that fakes the clock must not make a flush endless.
const now = performance.now.bind(performance);

/**
 * Writes log lines to a file descriptor and never waits for its reader. Lines that it does not take at once wait in a buffer.
 * When that is full, further lines are dropped and counted until half of it is free again.
 */
export class LogOutput {
  readonly #send: Send;
  readonly #droppedLine: (count: number) => string;
  /** A ring; there is one only while lines wait. */
  #ring: Buffer | undefined;
  #start = 0;
  #size = 0;
  #dropped = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #lastTryAt = -Infinity;

  /**
   * @param droppedLine the line that says how many were dropped
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

  /** Writes what waits, for so many milliseconds at most; the process stands still meanwhile. */
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

  /** Whether nothing waits any more. */
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

  /** How many of the bytes were taken. A reader that is gone for good takes all of them. */
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
    // It keeps no process up: what waits is written at its end.
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

/** The standard output, one for all runtimes of the process. */
export function standardOutput(droppedLine: (count: number) => string): LogOutput {
  if (sharedOutput !== undefined) return sharedOutput;
  const descriptor = standardDescriptor();
  sharedOutput = new LogOutput((bytes) => writeSync(descriptor, bytes), droppedLine);
  // Also where an error that nobody caught ends the process.
  process.once('exit', flushStandardOutput);
  return sharedOutput;
}

/** To be called where the process ends by a signal, of which no listener of `exit` hears. */
export function flushStandardOutput(): void {
  sharedOutput?.flush();
}

/**
 * A descriptor of the standard output that never blocks. A pipe or a terminal is opened once more, so that those who share it
 * do not notice. That cannot be done with a socket, as under systemd: Node.js makes it non-blocking when `process.stdout` is
 * first used. A file does not block.
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
