import { setImmediate } from 'node:timers';

const waiting: (() => void)[] = [];

/** Calls `work`, which must not throw, when the events of this turn have been handled. One immediate serves them all. */
export function afterTurn(work: () => void): void {
  if (waiting.push(work) === 1) setImmediate(runWaiting);
}

function runWaiting(): void {
  for (const work of waiting.splice(0)) work();
}
