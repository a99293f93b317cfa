const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Stops at SIGINT and SIGTERM and then raises the signal again, so that the process ends as it would have; a second one
 * ends it at once.
 *
 * @returns a function that takes the handlers off again
 */
export function handleSignals(stop: () => Promise<void>): () => void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      raise(signal);
      return;
    }
    stopping = true;
    void stop().finally(() => raise(signal));
  };
  const off = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  const raise = (signal: NodeJS.Signals): void => {
    off();
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  // While a stop is under way the handlers stay, for the second signal.
  return () => {
    if (!stopping) off();
  };
}
