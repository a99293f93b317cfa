import { flushStandardOutput } from '../logging/log-output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The stop functions of all runtimes in the process. The process ends after the last of them has stopped. */
const stopFunctions = new Set<() => Promise<void>>();
let isStopping = false;
let firstSignal: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;

/**
 * Milliseconds in which a repeated signal is an echo of the first: npm forwards the Ctrl-C that its child has already
 * received from the terminal.
 */
const ECHO_MS = 100;

/**
 * Stops at SIGINT and SIGTERM. Then it raises the signal again, so that the process ends with it. A second signal ends
 * the process at once.
 *
 * @param stop a function that never rejects
 * @returns a function that removes `stop`; during a stop by a signal, the signal handlers stay for the second signal
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
