import { AsyncResource } from 'node:async_hooks';
import { setImmediate } from 'node:timers';

const waiting: (() => void)[] = [];

/** Bound to no request: what serves all of a turn is not to be taken for work of the first (AsyncLocalStorage). */
const serve = AsyncResource.bind(() => void setImmediate(runWaiting));

/** Calls `work`, which must not throw, when the events of this turn have been handled. One immediate serves them all. */
export function afterTurn(work: () => void): void {
  if (waiting.push(work) === 1) serve();
}

function runWaiting(): void {
  for (const work of waiting.splice(0)) work();
}
