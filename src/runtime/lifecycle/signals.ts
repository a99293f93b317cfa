import { flushStandardOutput } from '../logging/log-output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** What stops at a signal: several runtimes may share the process, and the last of them to stop ends it. */
const stops = new Set<() => Promise<void>>();
let stopping = false;
let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;

/**
 * Milliseconds in which a signal that comes again is the same one: npm hands on the Ctrl-C that its child has already got
 * from the terminal.
 */
const ECHO_MS = 100;

/**
 * Stops at SIGINT and SIGTERM and then raises the signal again, so that the process ends as it would have; a second one
 * ends it at once.
 *
 * @param stop does not reject
 * @returns a function that takes it off again; while a signal is being handled the handlers stay, for the second one
 */
export function handleSignals(stop: () => Promise<void>): () => void {
  if (stops.size === 0 && !stopping) for (const signal of SIGNALS) process.on(signal, onSignal);
  stops.add(stop);
  return () => {
    stops.delete(stop);
    if (stops.size === 0 && !stopping) off();
  };
}

function onSignal(signal: NodeJS.Signals): void {
  if (stopping) {
    const isEcho = first?.signal === signal && performance.now() - first.at < ECHO_MS;
    if (!isEcho) raise(signal);
    return;
  }
  stopping = true;
  first = { signal, at: performance.now() };
  void Promise.allSettled([...stops].map((stop) => stop())).then(() => raise(signal));
}

function raise(signal: NodeJS.Signals): void {
  off();
  stops.clear();
  stopping = false;
  flushStandardOutput();
  process.kill(process.pid, signal);
}

function off(): void {
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
