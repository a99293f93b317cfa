import { flushStandardOutput } from '../logging/log-output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** What stops at a signal: several runtimes may share the process, and the last of them to stop ends it. */
const stopFunctions = new Set<() => Promise<void>>();
let isStopping = false;
let firstSignal: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;

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
  if (stopFunctions.size === 0 && !isStopping) for (const signal of SIGNALS) process.on(signal, onSignal);
  stopFunctions.add(stop);
  return () => {
    stopFunctions.delete(stop);
    if (stopFunctions.size === 0 && !isStopping) removeHandlers();
  };
}

function onSignal(signal: NodeJS.Signals): void {
  if (isStopping) {
    const isEcho = firstSignal?.signal === signal && performance.now() - firstSignal.at < ECHO_MS;
    if (!isEcho) raiseAgain(signal);
    return;
  }
  isStopping = true;
  firstSignal = { signal, at: performance.now() };
  void Promise.allSettled([...stopFunctions].map((stop) => stop())).then(() => raiseAgain(signal));
}

function raiseAgain(signal: NodeJS.Signals): void {
  removeHandlers();
  stopFunctions.clear();
  isStopping = false;
  flushStandardOutput();
  process.kill(process.pid, signal);
}

function removeHandlers(): void {
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
